// Pictures of each page in both themes. usage: node screenshots.mjs FOLDER [STORE]
import { mkdirSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { browser, open, replay, scratch, signIn, wide } from "./lib.mjs";

const folder = process.argv[2] || "screenshots";
mkdirSync(folder, { recursive: true });
const store = join(scratch(), "store.db");
if (process.argv[3]) {
  // The users of these pictures are not written beside a store of somebody else.
  symlinkSync(resolve(process.argv[3]), store);
} else {
  replay(store, ["benign-polling", "unauthorised-write"], ["s7-benign-polling", "s7-download"], ["dnp3-benign-polling", "dnp3-rogue-control"], ["maintenance-sign-in"], ["port-scan"]);
}
const console_ = await open(store);
const chrome = await browser();
try {
  for (const scheme of ["light", "dark"]) {
    const { page } = await signIn(chrome, console_, { name: "administrator", scheme });
    const list = await (await page.request.get("/api/v1/alerts?status=new,active&sort=severity&limit=20")).json();
    const alert = (list.items.find((one) => one.type === "new-master") || list.items[0]).id;
    const device = (list.items.find((one) => one.destination) || list.items[0]).destination.device_id;
    const pages = {
      overview: "/",
      alerts: "/alerts?status=new,active",
      "alerts-grouped": "/alerts?group=type&columns=last,status,title,source,destination,zone,techniques",
      "alerts-empty": "/alerts?text=nothing-has-this",
      alert: `/alerts/${alert}`,
      "alert-packets": `/alerts/${alert}?tab=packets`,
      "alert-timeline": `/alerts/${alert}?tab=timeline`,
      "alert-related": `/alerts/${alert}?tab=related`,
      "alert-action": `/alerts/${alert}?tab=action`,
      "alert-history": `/alerts/${alert}?tab=history`,
      "alert-report": `/alerts/${alert}?tab=all`,
      learn: `/alerts/${alert}/learn?scope=pair`,
      devices: "/devices",
      device: `/devices/${device}`,
      "device-recommendations": `/devices/${device}?tab=recommendations`,
      "device-alerts": `/devices/${device}?tab=alerts`,
      "device-conversations": `/devices/${device}?tab=traffic`,
      "device-points": `/devices/${device}?tab=points`,
      "device-programs": `/devices/${device}?tab=programs`,
      "device-edit": `/devices/${device}?tab=edit`,
      "alert-map": `/alerts/${alert}?tab=map`,
      import: "/devices/import",
      map: "/map",
      "map-subnet": "/map?by=subnet",
      "map-device": `/map?device=%23${device}`,
      maintenance: "/maintenance",
      "maintenance-report": "/maintenance/report",
      mining: "/mining",
      "mining-question": "/mining?question=unauthenticated-writes",
      "mining-list": "/mining?list=devices&role=controller",
      timeline: "/events",
      baseline: "/baseline",
      "baseline-entry": "/baseline/entries/1",
      mode: "/baseline/mode",
      attack: "/attack?span=all",
      catalogue: "/catalogue",
      type: "/catalogue/new-master",
      health: "/health",
      users: "/users",
      account: "/account",
      "not-found": "/nothing",
    };
    for (const [name, path] of Object.entries(pages)) {
      await page.goto(path);
      // Of a large store some pages are longer than a picture can be.
      const height = Math.min(await page.evaluate(() => document.documentElement.scrollHeight), 8_000);
      const clip = { x: 0, y: 0, width: wide.width, height };
      await page.screenshot({ path: join(folder, `${name}-${scheme}.png`), fullPage: true, clip, timeout: 60_000 });
    }
    await page.goto("/alerts?status=new,active");
    await page.keyboard.press("j");
    await page.keyboard.press("p");
    await page.locator("#pane h2").waitFor();
    await page.screenshot({ path: join(folder, `alerts-pane-${scheme}.png`) });
    await page.context().close();
    const out = await chrome.newContext({ colorScheme: scheme, baseURL: console_.url });
    const first = await out.newPage();
    await first.goto("/sign-in");
    await first.screenshot({ path: join(folder, `sign-in-${scheme}.png`) });
    await out.close();
  }
} finally {
  await chrome.close();
  console_.close();
}
console.log(`pictures are in ${folder}`);
