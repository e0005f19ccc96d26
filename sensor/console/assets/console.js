// What the pages do beyond what a browser does by itself: theme, keys, details beside the list, live changes.
"use strict";
(() => {
  const root = document.documentElement;
  const stored = (() => { try { return localStorage.getItem("theme"); } catch { return null; } })();
  if (stored === "dark" || stored === "light") root.dataset.theme = stored;

  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const one = (selector, from = document) => from.querySelector(selector);
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

  function theme() {
    const button = one("[data-theme-toggle]");
    if (!button) return;
    const show = () => { button.textContent = dark() ? "Light" : "Dark"; button.setAttribute("aria-label", `Change to the ${dark() ? "light" : "dark"} theme`); };
    button.hidden = false;
    show();
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      try { localStorage.setItem("theme", root.dataset.theme); } catch { /* not kept */ }
      show();
    });
  }

  function toast(text) {
    const box = one("#toast");
    box.textContent = text;
    clearTimeout(toast.timer);
    toast.timer = setTimeout(() => { box.textContent = ""; }, 6000);
  }

  async function write(path, body) {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json", "x-csrf-token": one("meta[name=csrf]").content, "idempotency-key": crypto.randomUUID ? crypto.randomUUID() : String(Math.random()) },
      body: JSON.stringify(body),
    });
    if (answer.status === 401) { location.reload(); return null; }
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) { toast(told.detail || `Not done (${answer.status}).`); return null; }
    return told;
  }

  // The list of alerts.
  const list = {
    rows: () => all("tr[data-alert]"),
    here: () => one("tr.here"),
    choose(row, scroll = true) {
      if (!row) return;
      list.here()?.classList.remove("here");
      list.here()?.removeAttribute("aria-selected");
      row.classList.add("here");
      if (scroll) row.scrollIntoView({ block: "nearest" });
      one("[data-open]", row)?.focus({ preventScroll: true });
      if (!one("#pane").hidden) list.details(row);
    },
    step(by) {
      const rows = list.rows();
      const at = rows.indexOf(list.here());
      list.choose(rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + by))]);
    },
    details(row) {
      const pane = one("#pane");
      pane.hidden = false;
      pane.parentElement.classList.add("open");
      if (pane.dataset.alert === row.dataset.alert) return;
      pane.dataset.alert = row.dataset.alert;
      htmx.ajax("GET", `/alerts/${row.dataset.alert}/pane`, { target: "#pane", swap: "innerHTML" });
    },
    closeDetails() {
      const pane = one("#pane");
      pane.hidden = true;
      pane.parentElement.classList.remove("open");
      delete pane.dataset.alert;
    },
    show(id, alert) {
      const row = one(`tr[data-alert="${CSS.escape(id)}"]`);
      if (!row) return false;
      const state = alert.learned ? ", learned" : alert.muted ? ", muted" : "";
      const cells = { status: alert.status + state, count: String(alert.count), last: alert.last_detection.slice(0, 19).replace("T", " ") };
      for (const [name, text] of Object.entries(cells)) { const cell = one(`[data-cell="${name}"]`, row); if (cell) cell.textContent = text; }
      row.classList.toggle("closed", alert.status === "closed");
      return true;
    },
  };

  function ask(action, row) {
    const dialog = one("#act");
    if (!dialog || !row) return;
    const words = { close: "Close", mute: "Mute" };
    one("#act-title").textContent = words[action];
    one("[data-act-alert]", dialog).textContent = one("[data-open]", row).textContent;
    const form = one("form", dialog);
    form.elements.action.value = action;
    form.elements.alert.value = row.dataset.alert;
    form.elements.why.value = "";
    dialog.showModal();
    form.elements.why.focus();
  }

  async function act(action, id, why) {
    const told = await write("/api/v1/alerts/actions", { alerts: [id], action, why });
    if (!told) return;
    const state = told.commands[0].state;
    const words = { close: "Closed", mute: "Muted and closed", active: "Active: you look after it" };
    toast(state === "applied" ? `${words[action]}.` : state === "pending" ? "Asked for; the engine does it as soon as it can." : `Refused: ${told.commands[0].answer}`);
    const answer = await fetch(`/api/v1/alerts/${id}?fields=status,learned,muted,count,last_detection`);
    if (answer.ok) list.show(id, await answer.json());
  }

  function grid() {
    if (!one("[data-grid]")) return;
    document.addEventListener("click", (event) => {
      if (event.target.closest("[data-close-pane]")) { list.closeDetails(); return; }
      if (event.target.matches("[data-all]")) { all('input[name="alert"]').forEach((box) => { if (box.type === "checkbox") box.checked = event.target.checked; }); return; }
      const row = event.target.closest("tr[data-alert]");
      if (!row || event.target.closest("a, input, button") || event.ctrlKey || event.metaKey) return;
      list.choose(row, false);
      list.details(row);
    });
    const dialog = one("#act");
    if (dialog) {
      one("[data-cancel]", dialog).addEventListener("click", () => dialog.close());
      one("form", dialog).addEventListener("submit", (event) => {
        event.preventDefault();
        const form = event.target.elements;
        dialog.close();
        act(form.action.value, form.alert.value, form.why.value);
      });
    }
  }

  function keys() {
    let go = false;
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.closest("input:not([type=checkbox]), select, textarea, dialog[open]")) {
        if (event.key === "Escape") event.target.blur();
        return;
      }
      const row = list.here();
      if (go) {
        go = false;
        const page = { a: "/alerts?status=new,active", d: "/devices", o: "/", t: "/events", h: "/health", m: "/map" }[event.key];
        if (page) { event.preventDefault(); location.assign(page); }
        return;
      }
      const analyst = Boolean(one("#act"));
      const does = {
        "?": () => one("#keys")?.showModal(),
        "/": () => one("[data-search]")?.focus(),
        g: () => { go = true; },
        j: () => list.step(1),
        k: () => list.step(-1),
        p: () => row && list.details(row),
        o: () => row && location.assign(`/alerts/${row.dataset.alert}`),
        x: () => { const box = row && one('input[name="alert"]', row); if (box) box.checked = !box.checked; },
        a: () => analyst && row && act("active", row.dataset.alert, ""),
        c: () => analyst && ask("close", row),
        m: () => analyst && ask("mute", row),
        l: () => analyst && row && location.assign(`/alerts/${row.dataset.alert}/learn`),
        Escape: () => one("#pane") && list.closeDetails(),
      };
      // Enter on the chosen row shows its details; o opens its page.
      if (event.key === "Enter" && row && row.contains(event.target)) { event.preventDefault(); list.details(row); return; }
      if (Object.hasOwn(does, event.key) && (one("[data-grid]") || "?/g".includes(event.key))) { event.preventDefault(); does[event.key](); }
    });
    one("[data-keys]")?.addEventListener("click", () => one("#keys").showModal());
  }

  // New and changed alerts: rows that are shown change where they stand; new ones are only announced.
  function live() {
    const line = one("[data-live]");
    if (!line || !window.EventSource) return;
    const fresh = new Set();
    const stream = new EventSource("/api/v1/alerts/stream");
    const tell = (text) => { line.hidden = false; one("[data-reload]", line).textContent = text; };
    stream.addEventListener("alert", (event) => {
      const { change, alert } = JSON.parse(event.data);
      if (list.show(alert.id, alert) || change !== "new") return;
      fresh.add(alert.id);
      tell(`${fresh.size} new ${fresh.size === 1 ? "alert" : "alerts"}: show`);
    });
    stream.addEventListener("lost", () => tell("Much has changed: show"));
    one("[data-reload]").addEventListener("click", () => location.reload());
    addEventListener("pagehide", () => stream.close());
  }

  // Filters that a person keeps, in this browser.
  function saved() {
    const place = one("[data-saved]");
    if (!place) return;
    const read = () => { try { return JSON.parse(localStorage.getItem("filters") || "{}"); } catch { return {}; } };
    const keep = (filters) => { try { localStorage.setItem("filters", JSON.stringify(filters)); } catch { /* not kept */ } };
    const show = () => {
      place.replaceChildren();
      for (const [name, address] of Object.entries(read())) {
        if (typeof address !== "string" || !address.startsWith("/alerts")) continue;
        const link = document.createElement("a");
        link.className = "tag"; link.href = address; link.textContent = name;
        const drop = document.createElement("button");
        drop.className = "link"; drop.type = "button"; drop.textContent = "×"; drop.setAttribute("aria-label", `Forget the filter ${name}`);
        drop.addEventListener("click", () => { const filters = read(); delete filters[name]; keep(filters); show(); });
        place.append(link, " ", drop, " ");
      }
      if (location.search) {
        const save = document.createElement("button");
        save.className = "link"; save.type = "button"; save.textContent = "Keep this filter";
        save.addEventListener("click", () => { const name = prompt("Name of the filter"); if (name) { keep({ ...read(), [name.slice(0, 40)]: location.pathname + location.search }); show(); } });
        place.append(save);
      }
    };
    show();
  }

  // On a map: the conversations of the device that one points at, the others faint.
  function maps() {
    for (const map of all("svg.map")) {
      const light = (node) => {
        map.classList.toggle("lit", Boolean(node));
        all(".talk", map).forEach((talk) => talk.classList.toggle("lit", Boolean(node) && talk.dataset.ends.split(" ").includes(node.dataset.node)));
      };
      for (const name of ["mouseover", "focusin"]) map.addEventListener(name, (event) => light(event.target.closest("[data-node]")));
      for (const name of ["mouseleave", "focusout"]) map.addEventListener(name, () => light(null));
    }
  }

  // A file is read into the field that is sent.
  function files() {
    for (const input of all("[data-into]")) {
      input.closest("[data-file]").hidden = false;
      input.addEventListener("change", async () => {
        const file = input.files[0];
        if (!file) return;
        if (file.size > 1 << 20) { toast("The file is larger than 1 MiB; import it in parts."); return; }
        document.getElementById(input.dataset.into).value = await file.text();
      });
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    files(); theme(); grid(); keys(); live(); saved(); maps();
    all("[data-here]").forEach((field) => { field.value = location.pathname + location.search; });
    // Empty fields of a filter do not lengthen the address.
    all("form[method=get]").forEach((form) => form.addEventListener("submit", () => {
      all("input, select", form).forEach((field) => { if (!field.value) field.disabled = true; });
    }));
    all("[data-copy]").forEach((field) => field.form.addEventListener("submit", () => {
      const from = one(`form[method=get] [name="${field.dataset.copy}"]`);
      if (from) field.value = from.value;
    }));
    addEventListener("pageshow", () => all("form[method=get] :disabled").forEach((field) => { field.disabled = false; }));
  });
})();
