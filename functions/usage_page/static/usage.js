// The page is whole without this: it only saves the reader a step here and there.
(() => {
  "use strict";
  const page = document.currentScript.dataset;

  // Days begin where the reader is. The product may have said where; else the browser knows, and the address says it on.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const address = new URL(location.href);
  if (page.given === "no" && zone && zone !== page.zone && !address.searchParams.has("tz")) {
    address.searchParams.set("tz", zone);
    location.replace(address);
    return;
  }

  // What was read once stays away for as long as this tab is open.
  const kept = (() => {
    try {
      sessionStorage.setItem("usage", "");
      return sessionStorage;
    } catch {
      return null;
    }
  })();
  for (const notice of document.querySelectorAll(".notice")) {
    const dismiss = notice.querySelector(".dismiss");
    if (!dismiss || !kept) continue;
    const name = `${notice.id}: ${notice.textContent}`;
    notice.hidden = kept.getItem(name) !== null;
    dismiss.hidden = false;
    dismiss.addEventListener("click", () => {
      kept.setItem(name, "");
      notice.hidden = true;
      document.querySelector("h1").focus();
    });
  }

  // A row opens wherever it is touched, not at its name alone.
  document.addEventListener("click", (event) => {
    const row = event.target.closest(".rows tbody > tr:first-child");
    const details = row?.querySelector("details");
    if (details && !event.target.closest("summary, a, button") && !String(getSelection())) details.open = !details.open;
  });
})();
