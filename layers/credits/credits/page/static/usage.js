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

  document.documentElement.classList.add("scripted");

  // What was read once stays away for as long as this tab is open. It goes as it comes, before anything is painted.
  const kept = (() => {
    try {
      sessionStorage.setItem("usage", "");
      return sessionStorage;
    } catch {
      return { getItem: () => null, setItem: () => {} };
    }
  })();
  const named = (notice) => `${notice.id}: ${notice.textContent}`;
  new MutationObserver((_, observer) => {
    if (!document.querySelector(".overview, .problem")) return;
    observer.disconnect();
    for (const notice of document.querySelectorAll(".notice")) notice.hidden = kept.getItem(named(notice)) !== null;
  }).observe(document, { childList: true, subtree: true });

  document.addEventListener("click", ({ target }) => {
    const notice = target.closest(".dismiss")?.closest(".notice");
    if (notice) {
      kept.setItem(named(notice), "");
      notice.hidden = true;
      document.querySelector("h1").focus();
    }

    // A row opens wherever it is touched, not at its name alone.
    const details = target.closest(".rows tbody > tr:first-child")?.querySelector("details");
    if (details && !target.closest("summary, a, button") && !String(getSelection())) details.open = !details.open;
  });
})();
