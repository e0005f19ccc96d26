// Walks of both users, triage by keyboard, both themes, accessibility of every page. usage: node walk.mjs
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { browser, open, replay, scratch, signIn } from "./lib.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const store = join(scratch(), "store.db");
replay(store, ["benign-polling", "unauthorised-write"], ["s7-benign-polling", "s7-download"]);
const console_ = await open(store);
const chrome = await browser();

const api = async (page, path) => (await page.request.get(path)).json();
const alertOf = async (page, type) => (await api(page, `/api/v1/alerts?type=${type}`)).items[0];
const status = async (page, id) => (await api(page, `/api/v1/alerts/${id}?fields=status,learned,muted`));

/** From a link in a SIEM to the closed alert. */
async function soc() {
  const { page, context, complaints } = await signIn(chrome, console_);
  const { id } = await alertOf(page, "new-master");
  // The link stands on a page of another site, and a browser sends no strict cookie with it.
  const siem = await context.newPage();
  await siem.setContent(`<a href="${console_.url}alerts/${id}">open</a>`);
  await siem.getByText("open").click();
  await siem.waitForURL(`**/alerts/${id}`);
  await siem.close();
  await page.goto(`/alerts/${id}`);
  for (const part of ["What happened", "Source", "Destination", "Why it was noticed"]) {
    assert(await page.getByRole("heading", { name: part, exact: true }).isVisible(), part);
  }
  const sent = await page.evaluate(() => performance.getEntriesByType("navigation")[0].encodedBodySize);
  assert(sent < 100_000, `the page is ${sent} bytes`);
  await page.getByRole("button", { name: "I look after it" }).click();
  await page.getByText("Set to active").waitFor();
  // Both devices, and back.
  await page.locator("section", { has: page.locator("#source-title") }).getByRole("link").first().click();
  await page.getByRole("link", { name: /^Alerts \d/ }).waitFor();
  await page.goBack();
  await page.locator("section", { has: page.locator("#destination-title") }).getByRole("link").first().click();
  await page.getByRole("link", { name: /Conversations/ }).click();
  assert(await page.getByRole("heading", { name: "With whom it talks" }).isVisible());
  await page.goto(`/alerts/${id}`);
  // Techniques lead to their pages; nothing is loaded from there.
  const technique = page.getByRole("link", { name: /T0855/ });
  assert.match(await technique.getAttribute("href"), /^https:\/\/attack\.mitre\.org\/techniques\/T0855/);
  await page.getByRole("link", { name: /Related alerts/ }).click();
  await page.getByRole("heading", { name: "As a chain" }).waitFor();
  await page.getByRole("link", { name: /^Packets/ }).click();
  await page.getByText("made the alert", { exact: true }).first().waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: /Download for Wireshark/ }).click()]);
  const bytes = readFileSync(await download.path());
  assert.equal(bytes.readUInt32BE(0), 0x0a0d0d0a, "no pcapng");
  await page.getByRole("link", { name: "Timeline", exact: true }).last().click();
  await page.getByText("this alert").first().waitFor();
  await page.getByRole("link", { name: "Take action" }).click();
  await page.getByRole("heading", { name: "What to do" }).waitFor();
  const act = page.locator("form", { hasText: "Close, mute or set the status" });
  await act.getByLabel("What").selectOption("close");
  await act.getByLabel("Why").fill("contained, ticket 4711");
  await act.getByRole("button", { name: "Do it" }).click();
  await page.getByText("ticket 4711").waitFor();
  assert.equal((await status(page, id)).status, "closed");
  assert.deepEqual(complaints, []);
  await context.close();
}

/** From the overview to a learned alert, and back. */
async function engineer() {
  const { page, context, complaints } = await signIn(chrome, console_);
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.getByRole("link", { name: /critical/ }).first().click();
  await page.getByRole("heading", { name: "Alerts", exact: true }).waitFor();
  const { id } = await alertOf(page, "first-writer");
  await page.goto(`/alerts/${id}?tab=action`);
  await page.getByRole("button", { name: "Preview" }).click();
  await page.getByRole("heading", { name: "What it would have hidden" }).waitFor();
  await page.getByLabel("Why").fill("planned change");
  await page.getByRole("button", { name: "Learn and close" }).click();
  await page.getByText("Learned and closed").waitFor();
  assert.equal((await status(page, id)).learned, true);
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByText("Taken back").waitFor();
  assert.equal((await status(page, id)).learned, false);
  assert.deepEqual(complaints, []);
  await context.close();
}

/** Triage without a mouse. */
async function keyboard() {
  const { page, context, complaints } = await signIn(chrome, console_, { next: "/alerts?status=new" });
  await page.goto("/alerts?status=new");
  const rows = page.locator("tr[data-alert]");
  const ids = await rows.evaluateAll((list) => list.map((row) => row.dataset.alert));
  assert(ids.length >= 4, `only ${ids.length} alerts are new`);
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  assert.equal(await page.locator("tr.here").getAttribute("data-alert"), ids[1]);
  await page.keyboard.press("k");
  await page.keyboard.press("Enter");
  await page.locator("#pane h2").waitFor();
  assert(await page.locator("#pane").getByRole("heading", { name: "What to do" }).isVisible());
  await page.keyboard.press("a");
  await page.locator("#toast", { hasText: "you look after it" }).waitFor();
  assert.equal((await status(page, ids[0])).status, "active");
  await page.keyboard.press("j");
  await page.keyboard.press("c");
  await page.locator("#act").getByLabel("Why").fill("known");
  await page.keyboard.press("Enter");
  await page.locator("#toast", { hasText: "Closed." }).waitFor();
  assert.equal((await status(page, ids[1])).status, "closed");
  // The row stays where it is.
  assert.equal(await rows.nth(1).getAttribute("data-alert"), ids[1]);
  await page.keyboard.press("j");
  await page.keyboard.press("m");
  await page.locator("#act").getByLabel("Why").fill("noise");
  await page.keyboard.press("Enter");
  await page.locator("#toast", { hasText: "Muted" }).waitFor();
  assert.equal((await status(page, ids[2])).muted, true);
  await page.keyboard.press("?");
  assert(await page.locator("#keys").isVisible());
  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  await page.keyboard.press("o");
  await page.waitForURL(`**/alerts/${ids[3]}`);
  assert.deepEqual(complaints, []);
  await context.close();
}

/** What another person does shows in an open list, without moving it. */
async function live() {
  const { page, context } = await signIn(chrome, console_);
  await page.goto("/alerts");
  await page.waitForTimeout(1500);
  const id = await page.locator("tr[data-alert]").first().getAttribute("data-alert");
  const { csrf } = await api(page, "/api/v1/session");
  const answer = await page.request.post(`/api/v1/alerts/${id}/status`, { data: { status: "active" }, headers: { "x-csrf-token": csrf } });
  assert.equal(answer.status(), 200);
  await page.locator(`tr[data-alert="${id}"] [data-cell=status]`, { hasText: "active" }).waitFor();
  // New alerts are announced, and do not push the list down.
  replay(store, ["port-scan"]);
  await page.getByRole("button", { name: /new alert/ }).waitFor();
  assert.equal(await page.locator("tr[data-alert]").first().getAttribute("data-alert"), id);
  await context.close();
}

/** Every page, in both themes: nothing serious, nothing wider than the window. */
async function pages() {
  for (const scheme of ["light", "dark"]) {
    const { page, context, complaints } = await signIn(chrome, console_, { name: "administrator", scheme });
    const alert = (await alertOf(page, "new-master")).id;
    const device = (await api(page, "/api/v1/devices?ot=true")).items[0].device_id;
    const list = ["/", "/alerts", "/alerts?text=nothing-has-this", "/alerts?group=type", `/alerts/${alert}?tab=all`, `/alerts/${alert}/learn`,
      "/devices", "/devices/import", ...["identity", "recommendations", "alerts", "traffic", "points", "programs", "timeline", "edit"].map((tab) => `/devices/${device}?tab=${tab}`),
      "/map", "/map?by=subnet&alerts=true", `/map?device=%23${device}`, "/events", "/mining", "/mining?question=unauthenticated-writes", "/mining?list=alerts", "/maintenance", "/maintenance/report", "/baseline/mode", "/baseline", "/attack?span=all", "/catalogue", "/catalogue/new-master", "/health", "/users", "/account"];
    for (const path of list) {
      await page.goto(path);
      await check(page, `${path} (${scheme})`);
    }
    await page.goto("/alerts");
    await page.keyboard.press("j");
    await page.keyboard.press("p");
    await page.locator("#pane h2").waitFor();
    await check(page, `details beside the list (${scheme})`);
    assert.deepEqual(complaints, []);
    // The other theme, and it stays.
    await page.getByRole("button", { name: /theme$/ }).click();
    const other = await page.evaluate(() => document.documentElement.dataset.theme);
    assert.notEqual(other, scheme);
    await page.reload();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), other);
    await context.close();
    const out = await chrome.newContext({ colorScheme: scheme, baseURL: console_.url });
    const first = await out.newPage();
    for (const path of ["/sign-in", "/nothing"]) {
      await first.goto(path);
      await check(first, `${path} (${scheme})`);
    }
    await out.close();
  }
  // A small window.
  const { page, context } = await signIn(chrome, console_, { name: "administrator", viewport: { width: 400, height: 800 } });
  for (const path of ["/", "/alerts", "/devices", "/health"]) {
    await page.goto(path);
    await narrow(page, path);
  }
  await context.close();
}

async function narrow(page, what) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert(over <= 0, `${what} is ${over} pixels wider than the window`);
}

async function check(page, what) {
  await narrow(page, what);
  // By the debugger, for the page itself may not run scripts that are not its own.
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: axe });
  const { result } = await session.send("Runtime.evaluate", { expression: "axe.run({ resultTypes: ['violations'] }).then((found) => JSON.stringify(found.violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.slice(0, 3).map((node) => node.html.slice(0, 200)) }))))", awaitPromise: true });
  await session.detach();
  const serious = JSON.parse(result.value).filter(({ impact }) => impact === "serious" || impact === "critical");
  assert.deepEqual(serious, [], what);
}

/** From the map to what was done in a conversation, with the keyboard, and to its picture. */
async function map() {
  const { page, context, complaints } = await signIn(chrome, console_);
  await page.goto("/map");
  const line = page.locator("svg.map a.talk.critical").last();
  await line.focus();
  const told = await line.getAttribute("aria-label");
  assert.match(told, / asks .*open alert/);
  await page.keyboard.press("Enter");
  const row = page.locator("tr:target");
  await row.waitFor();
  assert(told.startsWith(await row.getByRole("link").first().textContent()), told);
  await page.locator("svg.map a.node").first().hover();
  await page.locator("svg.map.lit").waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Save as SVG" }).click()]);
  assert.equal(download.suggestedFilename(), "map.svg");
  await page.locator("svg.map a.node").first().click();
  await page.getByRole("heading", { name: "What it told of itself" }).waitFor();
  await page.getByRole("link", { name: "Map", exact: true }).nth(1).click();
  await page.locator("svg.map .node.own").waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
}

/** A CSV file is taken, looked at and imported. */
async function imports() {
  const { page, context, complaints } = await signIn(chrome, console_, { next: "/devices/import" });
  await page.goto("/devices/import");
  const buffer = Buffer.from("ip,zone\n10.20.0.11,Press hall\n10.9.9.9,Nowhere\n");
  await page.getByLabel("Take it from a file").setInputFiles({ name: "assets.csv", mimeType: "text/csv", buffer });
  await page.getByRole("button", { name: "Show what would change" }).click();
  await page.getByRole("heading", { name: "Lines that are wrong" }).waitFor();
  await check(page, "preview of an import");
  await page.getByLabel("leave out the wrong lines").check();
  await page.getByRole("button", { name: "Import", exact: true }).click();
  await page.getByText("Imported: what the file says").waitFor();
  assert.equal((await api(page, "/api/v1/devices/10.20.0.11")).zone, "Press hall");
  assert.deepEqual(complaints, []);
  await context.close();
}

/** Without a script all is still there. */
async function withoutScript() {
  const context = await chrome.newContext({ javaScriptEnabled: false, baseURL: console_.url });
  const page = await context.newPage();
  await page.goto("/alerts?status=new,active");
  await page.getByLabel("Name").fill("analyst");
  await page.getByLabel("Password").fill("a password for tests");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Alerts", exact: true }).waitFor();
  const row = page.locator("tr[data-alert]").first();
  await row.getByRole("checkbox").check();
  await page.getByLabel("With those marked").selectOption("comment");
  await page.locator("[data-bulk]").getByLabel("Why").fill("without a script");
  await page.getByRole("button", { name: "Do it" }).first().click();
  await page.getByText("Comment written.").waitFor();
  await context.close();
}

const walks = { soc, engineer, keyboard, live, map, imports, withoutScript, pages };
let failed = 0;
try {
  for (const [name, walk] of Object.entries(walks)) {
    if (process.argv[2] && process.argv[2] !== name) continue;
    try {
      await walk();
      console.log(`ok      ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}\n${error.stack || error}`);
    }
  }
} finally {
  await chrome.close();
  console_.close();
}
process.exitCode = failed ? 1 : 0;
