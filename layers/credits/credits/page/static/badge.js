// <infuseos-credits session="…"> shows how many credits are left, and says so when they run low. docs/embedding.md has
// its attributes, events and colours. It depends on nothing, and what it shows is in its own shadow.

const SOURCE = new URL("balance", import.meta.url);
const REFRESH_SECONDS = 60;
const LEAST_SECONDS = 10;

const STYLE = new CSSStyleSheet();
STYLE.replaceSync(`
  :host {
    --ok: var(--infuseos-credits-ok, #3b57d0);
    --low: var(--infuseos-credits-low, #7a4d00);
    --exhausted: var(--infuseos-credits-exhausted, #9b1c13);
    --track: var(--infuseos-credits-track, rgb(127 127 127 / 0.25));
    color: inherit;
    display: block;
    font: inherit;
  }
  :host([hidden]), [hidden] { display: none !important; }
  [role="meter"] { --fill: var(--ok); display: grid; gap: 0.375em; }
  [data-state="low"] { --fill: var(--low); }
  [data-state="exhausted"] { --fill: var(--exhausted); }
  .figures { display: flex; gap: 0.5em; justify-content: space-between; }
  .remaining { font-variant-numeric: tabular-nums; font-weight: 600; }
  .of { font-weight: 400; opacity: 0.8; }
  .note { color: var(--fill); font-weight: 600; }
  .note:empty { display: none; }
  .track { background: var(--track); block-size: 0.375em; border-radius: 1em; overflow: hidden; }
  .fill { background: var(--fill); block-size: 100%; border-radius: inherit; transition: inline-size 0.3s; }
  @media (prefers-reduced-motion: reduce) { .fill { transition: none; } }
  @media (prefers-color-scheme: dark) {
    :host {
      --ok: var(--infuseos-credits-ok, #8fa3ff);
      --low: var(--infuseos-credits-low, #f4cd78);
      --exhausted: var(--infuseos-credits-exhausted, #ffa79e);
    }
  }
`);

class InfuseosCredits extends HTMLElement {
  static observedAttributes = ["session"];

  #meter = element("div", { role: "meter", "aria-label": "Credits", "aria-valuemin": "0" });
  #remaining = element("span", { class: "remaining", part: "remaining" });
  #note = element("span", { class: "note", part: "note" });
  #fill = element("div", { class: "fill", part: "fill" });
  #timer = 0;
  #asking = null;
  #seen = () => document.visibilityState === "visible" && this.refresh();

  constructor() {
    super();
    const figures = element("div", { class: "figures" });
    const track = element("div", { class: "track", part: "track" });
    figures.append(this.#remaining, this.#note);
    track.append(this.#fill);
    this.#meter.append(figures, track);
    this.#meter.hidden = true;
    const shadow = this.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [STYLE];
    shadow.append(this.#meter);
  }

  connectedCallback() {
    const seconds = Math.max(LEAST_SECONDS, Number(this.getAttribute("refresh")) || REFRESH_SECONDS);
    this.#timer = setInterval(this.#seen, seconds * 1000);
    document.addEventListener("visibilitychange", this.#seen);
    this.refresh();
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
    document.removeEventListener("visibilitychange", this.#seen);
    this.#asking?.abort();
  }

  attributeChangedCallback() {
    if (this.isConnected) this.refresh();
  }

  /** Asks for the balance now. While it cannot be had, what was shown last stays. */
  async refresh() {
    const session = this.getAttribute("session");
    if (!session) return;
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    const url = new URL(SOURCE);
    url.searchParams.set("session", session);
    try {
      const response = await fetch(url, { credentials: "omit", referrerPolicy: "no-referrer", signal: asking.signal });
      if (response.status === 401) this.#tell("infuseos-credits-expired", {});
      if (response.ok) this.#show(await response.json());
    } catch (error) {
      if (error.name !== "AbortError") console.warn("infuseos-credits: the balance cannot be read", error.message);
    }
  }

  #show(balance) {
    const locale = this.closest("[lang]")?.lang || navigator.language;
    const number = new Intl.NumberFormat(locale);
    const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" }).format(new Date(balance.resets_at));
    const [remaining, total] = [number.format(balance.remaining), number.format(balance.total)];
    this.#remaining.replaceChildren(remaining, element("span", { class: "of" }, ` / ${total} credits`));
    this.#note.textContent = { ok: "", low: "Low", exhausted: `Resets ${day}` }[balance.state];
    this.#fill.style.inlineSize = `${balance.total ? (100 * balance.remaining) / balance.total : 0}%`;
    this.#meter.dataset.state = balance.state;
    this.#meter.setAttribute("aria-valuemax", balance.total);
    this.#meter.setAttribute("aria-valuenow", balance.remaining);
    this.#meter.setAttribute("aria-valuetext", `${remaining} of ${total} credits left, until ${day}`);
    this.#meter.hidden = false;
    this.#tell("infuseos-credits", balance);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }
}

function element(name, attributes, text = "") {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.textContent = text;
  return made;
}

customElements.define("infuseos-credits", InfuseosCredits);
