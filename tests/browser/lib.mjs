// A console over a store made from fixtures, and a browser that is signed in to it.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const sensor = process.env.OT_SENSOR || join(root, "target/release/ot-sensor");
const password = "a password for tests";

export const wide = { width: 1440, height: 900 };

/** Runs the sensor to its end; what it printed. */
export function run(args, input = "") {
  const done = spawnSync(sensor, args, { input, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`ot-sensor ${args.join(" ")} ended with ${done.status}: ${done.stderr}`);
  return done.stdout;
}

/** Replays fixtures, learning the first ten minutes of each list. */
export function replay(store, ...lists) {
  for (const names of lists) {
    const captures = names.map((name) => join(root, "fixtures", name, "capture.pcap.zst"));
    run(["replay", "--quiet", "--store", store, "--learn-for", "10m", ...captures]);
  }
}

/** A console over a store, with the users analyst and administrator. */
export async function open(store) {
  for (const role of ["analyst", "administrator"]) {
    run(["user", "add", role, "--role", role, "--password-stdin", "--store", store], password);
  }
  const child = spawn(sensor, ["console", "--plain-http", "--until-eof", "--listen", "127.0.0.1:0", "--store", store], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const url = await new Promise((found, failed) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.startsWith("console: ")) found(line.slice("console: ".length));
    });
    child.on("exit", (code) => failed(new Error(`the console ended with ${code}`)));
  });
  return { url, store, close: () => { child.removeAllListeners("exit"); child.stdin.end(); child.kill(); } };
}

/** A folder that goes when the process ends. */
export function scratch() {
  const folder = mkdtempSync(join(tmpdir(), "ot-browser-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The browser of the system. */
export async function browser() {
  const places = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const executablePath = places.find((place) => place && existsSync(place));
  if (!executablePath) throw new Error("no chromium; install the package chromium, or name it with CHROMIUM");
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"],
  });
}

/** A page of somebody who signed in; what the browser complains of is an error. */
export async function signIn(chrome, console_, { name = "analyst", scheme = "light", viewport = wide, next = "/" } = {}) {
  const context = await chrome.newContext({ colorScheme: scheme, viewport, baseURL: console_.url, acceptDownloads: true });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); });
  page.on("request", (request) => {
    if (!request.url().startsWith(console_.url) && !request.url().startsWith("data:")) complaints.push(`asked elsewhere: ${request.url()}`);
  });
  await page.goto(next);
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL((url) => url.pathname !== "/sign-in");
  return { page, context, complaints };
}
