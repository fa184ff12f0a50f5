// The shell's page. Whatever comes from elsewhere is put into the page as text, never as markup.

const $ = (id) => document.getElementById(id);
const locale = navigator.language;
const number = new Intl.NumberFormat(locale);
const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const day = (instant) => new Intl.DateTimeFormat(locale, { dateStyle: "long" }).format(new Date(instant));
const credits = (count) => `${number.format(count)} ${count === 1 ? "credit" : "credits"}`;

const MIDDLE_DOT = " · ";
const COUNTED_AFTER_MS = [1000, 3000, 8000]; // usage lags the ledger by a moment
const AFTER_PAYMENT_MS = [1500, 3000, 6000, 12000];

const page = {
  account: new URLSearchParams(location.search).get("account") ?? "pro",
  state: null,
  conversation: null, // {id, title} of the open one
  balance: null, // what the badge showed last
  busy: true, // until it knows who is here
};

// What the back end says

async function ask(path, body) {
  const options = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(`/__local__/shell/${path}`, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message);
  return answer;
}

async function load() {
  page.state = await ask(`state?account=${encodeURIComponent(page.account)}`);
  showAccount();
  showConversations();
  showNotice();
}

async function session() {
  return ask("sessions", { account: page.account, time_zone: timeZone, locale });
}

async function renewBadge() {
  $("badge").setAttribute("session", new URL((await session()).url).searchParams.get("session"));
}

// Small makers

function make(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute.startsWith("on")) made.addEventListener(attribute.slice(2), value);
    else made.setAttribute(attribute, value);
  }
  made.append(...content.filter((each) => each !== null));
  return made;
}

// Sidebar

function showAccount() {
  const { accounts, account, models } = page.state;
  const me = accounts.find((each) => each.id === page.account);
  $("name").textContent = me.name;
  $("plan").textContent = `${account.plan.name} plan`;
  $("initials").textContent = me.name.split(" ").map((word) => word[0]).join("");
  $("profile").setAttribute("aria-label", `${me.name}, ${account.plan.name} plan`);
  $("accounts").replaceChildren(
    ...accounts.map((each) =>
      make(
        "li",
        {},
        make(
          "button",
          { type: "button", "aria-current": each.id === page.account, onclick: () => location.assign(`/?account=${each.id}`) },
          each.name,
          make("small", {}, each.plan),
        ),
      ),
    ),
  );
  if (!$("model").options.length) {
    $("model").append(...Object.entries(models).map(([id, name]) => make("option", { value: id }, name)));
  }
  const facts = { Name: me.name, Account: page.account, Plan: account.plan.name, Seats: number.format(account.seats) };
  $("facts").replaceChildren(...Object.entries(facts).flatMap(([name, fact]) => [make("dt", {}, name), make("dd", {}, fact)]));
}

function showConversations() {
  const listed = page.state.conversations.map(({ conversation_id: id, title, credits }) => ({ id, title: title ?? id, credits }));
  const open = page.conversation;
  if (open && !listed.some((each) => each.id === open.id)) listed.unshift({ ...open, credits: null });
  $("conversations").replaceChildren(
    ...listed.map((each) =>
      make(
        "li",
        {},
        make(
          "button",
          { type: "button", "aria-current": each.id === open?.id, onclick: () => openConversation(each) },
          make("span", { class: "title" }, each.title),
          each.credits === null ? null : make("span", { class: "cost", title: credits(each.credits) }, number.format(each.credits)),
        ),
      ),
    ),
  );
}

function toggle(button, target, open) {
  button.setAttribute("aria-expanded", String(open));
  if (target.id === "menu") target.hidden = !open;
  else target.classList.toggle("open", open);
}

// Chat

function showWelcome() {
  page.conversation = null;
  $("title").textContent = "New chat";
  const { examples, prices } = page.state;
  $("thread").replaceChildren(
    make(
      "div",
      { class: "welcome" },
      make("h2", {}, "What shall we do today?"),
      make("p", {}, `A message is ${credits(prices.message)}, each tool ${credits(prices.agent_step)}. Answers are free.`),
      make(
        "div",
        { class: "examples" },
        ...examples.map(({ prompt, credits: cost }) =>
          make("button", { type: "button", onclick: () => send(prompt, []) }, prompt, make("small", {}, credits(cost))),
        ),
      ),
    ),
  );
  showConversations();
}

async function openConversation({ id, title }) {
  toggle($("drawer"), $("sidebar"), false);
  const found = await ask(`conversation?account=${encodeURIComponent(page.account)}&id=${encodeURIComponent(id)}`);
  page.conversation = { id, title };
  $("title").textContent = title;
  $("thread").replaceChildren();
  let turn = null;
  for (const entry of (found.entries ?? []).toReversed()) {
    if (entry.action === "message") {
      if (turn) addTurn(turn);
      turn = { text: entry.description ?? "Message", done: [], reply: null, credits: -entry.credits };
    } else if (turn && entry.action === "ai_response") {
      turn.reply = entry.description;
    } else if (turn) {
      turn.done.push({ name: entry.description ?? entry.tool ?? entry.action, action: entry.action, credits: -entry.credits });
      turn.credits -= entry.credits;
    }
  }
  if (turn) addTurn(turn);
  showConversations();
}

function addTurn(turn) {
  $("thread").append(mine(turn.text), theirs(turn));
  $("thread").scrollTop = $("thread").scrollHeight;
}

const mine = (text) => make("div", { class: "mine" }, make("p", {}, text));

function theirs({ done, reply, credits: spent, balance, problem }) {
  const parts = [];
  if (done.length) {
    const step = (each) => make("li", {}, each.name, make("span", {}, `${MIDDLE_DOT}${credits(each.credits)}`));
    parts.push(make("ul", { class: "steps" }, ...done.map(step)));
  }
  if (reply && done.some((each) => each.action.startsWith("image_"))) parts.push(make("div", { class: "picture" }));
  if (reply) parts.push(make("p", {}, reply));
  if (problem) parts.push(problem.code === "credits_exhausted" ? make("p", {}, "No credits are left for this.") : notice(problem));
  if (spent) {
    const left = balance ? `${MIDDLE_DOT}${number.format(balance.remaining)} left` : "";
    parts.push(make("p", { class: "cost-line" }, `${credits(spent)}${left}`));
  }
  return make("div", { class: "theirs" }, ...parts);
}

function setBusy(busy) {
  page.busy = busy;
  $("send").disabled = busy;
}

async function send(text, added) {
  if (page.busy) return;
  setBusy(true);
  if (!page.conversation) $("thread").replaceChildren();
  const asked = mine(text);
  const waiting = make("div", { class: "theirs" }, make("p", { class: "cost-line" }, "Working…"));
  $("thread").append(asked, waiting);
  $("thread").scrollTop = $("thread").scrollHeight;
  try {
    const answer = await ask("messages", {
      account: page.account,
      message_id: crypto.randomUUID(),
      text,
      model: $("model").value,
      added,
      conversation_id: page.conversation?.id ?? null,
      title: page.conversation?.title ?? null,
    });
    waiting.replaceWith(theirs(answer));
    if (answer.credits) page.conversation = { id: answer.conversation_id, title: answer.conversation_title };
    $("title").textContent = page.conversation?.title ?? "New chat";
    $("thread").scrollTop = $("thread").scrollHeight;
    $("badge").refresh();
    load();
    for (const moment of COUNTED_AFTER_MS) setTimeout(load, moment);
  } catch (error) {
    waiting.replaceChildren(make("p", { class: "cost-line" }, `That did not work: ${error.message}`));
  } finally {
    setBusy(false);
  }
}

// Warnings

function notice(problem) {
  const waits = ["credits_exhausted", "insufficient_credits"].includes(problem.code);
  const text = {
    credits_exhausted: `You have used all your credits. They reset on ${day(problem.resets_at ?? 0)}. Wait until then, or upgrade now.`,
    insufficient_credits: `This needs ${credits(problem.required ?? 0)} and you have ${number.format(problem.remaining ?? 0)}. They reset on ${day(problem.resets_at ?? 0)}.`,
    not_in_plan: "This model is not part of your plan.",
  }[problem.code];
  return warning(text ?? problem.detail, waits ? "notice stop" : "notice");
}

function warning(text, style) {
  const upgrade = make("button", { type: "button", onclick: () => openSettings("usage") }, "Upgrade");
  return make("div", { class: style, role: "status" }, make("p", {}, text), upgrade);
}

function showNotice() {
  const { account } = page.state;
  const left = account.credits.remaining;
  $("notice").replaceChildren();
  if (account.warning === "exhausted") {
    $("notice").append(notice({ code: "credits_exhausted", resets_at: account.resets_at }));
  } else if (account.warning === "low") {
    $("notice").append(warning(`${credits(left)} left until ${day(account.resets_at)}.`, "notice"));
  }
}

// Settings

const TABS = ["account", "usage"];

function openSettings(tab) {
  toggle($("profile"), $("menu"), false);
  toggle($("drawer"), $("sidebar"), false);
  if (!$("settings").open) $("settings").showModal();
  choose(tab);
  $(`tab-${tab}`).focus();
  history.replaceState(null, "", `#settings/${tab}`);
}

function choose(tab) {
  for (const each of TABS) {
    $(`tab-${each}`).setAttribute("aria-selected", String(each === tab));
    $(`tab-${each}`).tabIndex = each === tab ? 0 : -1;
    $(`panel-${each}`).hidden = each !== tab;
  }
  if (tab === "usage") showUsage();
}

/** A new session each time: a link lives for a quarter of an hour. */
async function showUsage() {
  const { url } = await session();
  $("panel-usage").replaceChildren(make("iframe", { src: url, title: "Usage" }));
}

function closed() {
  $("panel-usage").replaceChildren();
  history.replaceState(null, "", location.pathname + location.search);
  load().then(() => $("badge").refresh());
}

// What people do

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  if (page.busy) return;
  const form = new FormData($("composer"));
  send($("text").value, form.getAll("added"));
  $("composer").reset();
});
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("composer").requestSubmit();
  }
});
$("new").addEventListener("click", () => {
  toggle($("drawer"), $("sidebar"), false);
  showWelcome();
  $("text").focus();
});
$("profile").addEventListener("click", () => toggle($("profile"), $("menu"), $("menu").hidden));
$("drawer").addEventListener("click", () => toggle($("drawer"), $("sidebar"), !$("sidebar").classList.contains("open")));
document.addEventListener("click", ({ target }) => {
  if (!target.closest(".foot")) toggle($("profile"), $("menu"), false);
  if (!target.closest("#sidebar, #drawer")) toggle($("drawer"), $("sidebar"), false);
});
document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape") return;
  toggle($("profile"), $("menu"), false);
  toggle($("drawer"), $("sidebar"), false);
});
$("open-settings").addEventListener("click", () => openSettings("usage"));
$("close").addEventListener("click", () => $("settings").close());
$("settings").addEventListener("close", closed);
for (const [index, tab] of TABS.entries()) {
  $(`tab-${tab}`).addEventListener("click", () => openSettings(tab));
  $(`tab-${tab}`).addEventListener("keydown", ({ key }) => {
    if (!["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"].includes(key)) return;
    const other = TABS[(index + 1) % TABS.length];
    openSettings(other);
  });
}
$("badge").addEventListener("infuseos-credits-expired", renewBadge);
$("badge").addEventListener("infuseos-credits", ({ detail: { remaining, total } }) => {
  const shown = page.balance;
  page.balance = `${remaining} / ${total}`;
  if (!shown || shown === page.balance || page.busy) return;
  load();
  if ($("settings").open && !$("panel-usage").hidden) showUsage();
});

await load();
showWelcome();
setBusy(false);
renewBadge();
function arrive() {
  if (location.hash !== "#settings/usage") return;
  openSettings("usage");
  // They may come from a payment, which Stripe tells of in a moment.
  for (const moment of AFTER_PAYMENT_MS) setTimeout(() => $("badge").refresh(), moment);
}
addEventListener("hashchange", arrive);
arrive();
