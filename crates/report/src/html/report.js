// The timeline: a picture that can be zoomed, filters, and a list of all entries of which only those in
// sight are in the page. Everything else of the report needs no script. Text gets in as text only.
"use strict";
(async () => {
  const live = document.getElementById("timeline-live");
  const plain = document.getElementById("timeline-plain");
  const packed = document.getElementById("timeline-data").textContent;
  if (!packed || typeof DecompressionStream === "undefined") return;
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = await new Response(stream).json();
  const count = data.at.length;
  if (!count) return;

  // ---------------------------------------------------------------- what there is
  const at = new Float64Array(count);
  for (let i = 0, time = 0; i < count; i++) at[i] = time += data.at[i];
  const lane = Uint8Array.from(data.lane), severity = Uint8Array.from(data.severity);
  const words = ["", "Info", "Low", "Medium", "High", "Critical"];
  const classes = ["", "info", "low", "medium", "high", "critical"];
  const said = (i) => [data.what[i], data.names[data.who[i]], data.names[data.from[i]], data.names[data.exhibit[i]], data.id[i]];
  const stamp = (ms) => new Date(ms).toISOString().slice(0, 23).replace("T", " ");
  const number = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const make = (name, attributes, ...inside) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    element.append(...inside);
    return element;
  };
  let texts = null; // In small letters, once somebody searches.
  const first = at[0], last = Math.max(at[count - 1], first + 1000);
  const whole = [first - (last - first) * 0.01, last + (last - first) * 0.01];
  let trigger = -1;
  for (let i = 0; i < count && trigger < 0; i++) if (lane[i] === 0) trigger = i;

  // ---------------------------------------------------------------- what is in sight
  let [from, to] = whole, shown = new Uint32Array(0), inWindow = 0, windowFirst = 0, chosen = -1;
  const on = new Array(data.lanes.length).fill(true);
  let least = 0, search = "";

  const present = data.lanes.map((_, place) => lane.includes(place));
  const boxes = make("fieldset", { class: "sources" }, make("legend", { class: "sr" }, "Sources"));
  data.lanes.forEach((name, place) => {
    if (!present[place]) return;
    const box = make("input", { type: "checkbox" });
    box.checked = true;
    box.addEventListener("change", () => { on[place] = box.checked; filter(); });
    boxes.append(make("label", {}, box, name));
  });
  const field = make("input", { type: "search", placeholder: "Search what, who, address, id", "aria-label": "Search the timeline" });
  let typing = 0;
  field.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => { search = field.value.trim().toLowerCase(); filter(); }, 120); });
  const severities = make("select", { "aria-label": "Severity" });
  [["0", "Any severity"], ["2", "Low and worse"], ["3", "Medium and worse"], ["4", "High and worse"], ["5", "Critical"]]
    .forEach(([value, text]) => severities.append(make("option", { value }, text)));
  severities.addEventListener("change", () => { least = Number(severities.value); filter(); });
  const button = (text, label, press) => {
    const element = make("button", { type: "button", "aria-label": label }, text);
    element.addEventListener("click", press);
    return element;
  };
  const buttons = [button("+", "Zoom in", () => zoom(0.5)), button("−", "Zoom out", () => zoom(2)), button("All", "Show all of the time", () => look(...whole))];
  if (trigger >= 0) buttons.push(button("Around the change", "Show an hour around the change", () => look(at[trigger] - 18e5, at[trigger] + 18e5)));

  const canvas = make("canvas", { class: "draw", tabindex: "0", role: "img", "aria-describedby": "timeline-keys" });
  const keys = make("p", { class: "sr", id: "timeline-keys" }, "Arrow keys move and zoom, Home and End go to the beginning and the end, 0 shows all, C the change. The list below holds every entry in sight.");
  const status = make("p", { class: "said", role: "status" });
  const spacer = make("div");
  const list = make("div", { class: "list", tabindex: "0", role: "listbox", "aria-label": "Entries in sight" }, spacer);
  const detail = make("div", { class: "detail", "aria-live": "polite" });
  detail.hidden = true;
  live.append(make("div", { class: "bar" }, field, severities, ...buttons), make("div", { class: "bar" }, boxes), canvas, keys, status, list, detail);

  function filter() {
    if (search && !texts) texts = Array.from({ length: count }, (_, i) => said(i).join("\n").toLowerCase());
    const kept = new Uint32Array(count);
    let length = 0;
    for (let i = 0; i < count; i++) {
      if (on[lane[i]] && severity[i] >= least && (!search || texts[i].includes(search))) kept[length++] = i;
    }
    shown = kept.slice(0, length);
    update();
  }
  // The place of the first shown entry that is not before `time`.
  function placeOf(time) {
    let low = 0, high = shown.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at[shown[middle]] < time) low = middle + 1; else high = middle;
    }
    return low;
  }
  function look(since, until) {
    const least = 200, most = whole[1] - whole[0];
    const span = Math.min(Math.max(until - since, least), most);
    const middle = (since + until) / 2;
    from = Math.min(Math.max(middle - span / 2, whole[0]), whole[1] - span);
    to = from + span;
    update();
  }
  function zoom(factor, around = (from + to) / 2) {
    look(around - (around - from) * factor, around + (to - around) * factor);
  }
  let pending = false;
  function update() {
    windowFirst = placeOf(from);
    inWindow = placeOf(to) - windowFirst;
    status.textContent = `${number(inWindow)} of ${number(count)} entries${data.told > count ? ` (${number(data.told)} in the exhibits)` : ""}, ${stamp(from)} to ${stamp(to)} UTC`;
    spacer.style.height = `${Math.max(inWindow * height(), 1)}px`;
    canvas.setAttribute("aria-label", `Timeline from ${stamp(from)} to ${stamp(to)} UTC, ${inWindow} entries`);
    list.scrollTop = Math.min(list.scrollTop, inWindow * height());
    drawLater();
  }
  function drawLater() {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => { pending = false; draw(); rows(); });
  }

  // ---------------------------------------------------------------- the picture
  const lanes = data.lanes.map((_, place) => place).filter((place) => present[place]);
  const rowOf = data.lanes.map((_, place) => lanes.indexOf(place));
  const LANE = 26, FOOT = 22;
  const narrow = matchMedia("(max-width: 46rem)");
  const left = () => (narrow.matches ? 8 : 108);
  const x = (time, width) => left() + (time - from) / (to - from) * (width - left() - 8);
  function draw() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const tones = ["calls", "calls", "low", "medium", "high", "critical"].map(colour);
    const width = canvas.clientWidth, tall = lanes.length * LANE + FOOT, ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(tall * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(tall * ratio);
      canvas.style.height = `${tall}px`;
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, tall);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    const inner = width - left() - 8, columns = Math.max(Math.floor(inner / 3), 1);
    const cells = new Uint32Array(columns * lanes.length), worst = new Uint8Array(columns * lanes.length);
    for (let place = windowFirst; place < windowFirst + inWindow; place++) {
      const i = shown[place];
      const cell = rowOf[lane[i]] * columns + Math.min(Math.floor((at[i] - from) / (to - from) * columns), columns - 1);
      cells[cell]++;
      if (severity[i] > worst[cell]) worst[cell] = severity[i];
    }
    lanes.forEach((place, row) => {
      const y = row * LANE;
      pen.fillStyle = colour("line");
      pen.fillRect(left(), y + LANE - 1, inner, 1);
      for (let column = 0; column < columns; column++) {
        const cell = row * columns + column;
        if (!cells[cell]) continue;
        pen.globalAlpha = Math.min(0.55 + Math.log(cells[cell]) / 10, 1);
        pen.fillStyle = tones[worst[cell]];
        const tallness = Math.min(9 + Math.log2(cells[cell]) * 2, LANE - 6);
        pen.fillRect(left() + column * inner / columns, y + (LANE - tallness) / 2, Math.max(inner / columns - 0.5, 2.5), tallness);
      }
      pen.globalAlpha = 1;
      pen.fillStyle = on[place] ? colour("ink") : colour("dim");
      pen.textAlign = narrow.matches ? "left" : "right";
      if (narrow.matches) pen.globalAlpha = 0.75;
      pen.fillText(data.lanes[place], narrow.matches ? left() + 2 : left() - 10, y + (narrow.matches ? 7 : LANE / 2));
      pen.globalAlpha = 1;
    });
    const rule = (time, tone, dash) => {
      if (time < from || time > to) return;
      pen.strokeStyle = tone;
      pen.setLineDash(dash);
      pen.lineWidth = 1.5;
      pen.beginPath();
      pen.moveTo(x(time, width), 0);
      pen.lineTo(x(time, width), lanes.length * LANE);
      pen.stroke();
      pen.setLineDash([]);
    };
    if (trigger >= 0) rule(at[trigger], colour("change"), [4, 3]);
    if (chosen >= 0) rule(at[chosen], colour("accent"), []);
    pen.fillStyle = colour("dim");
    pen.font = "11px system-ui, sans-serif";
    const step = stepOf((to - from) / Math.max(inner / 110, 2));
    for (let tick = Math.ceil(from / step) * step; tick < to; tick += step) {
      const place = x(tick, width), text = stamp(tick);
      pen.fillRect(place, lanes.length * LANE, 1, 4);
      pen.textAlign = place < left() + 40 ? "left" : place > width - 48 ? "right" : "center";
      pen.fillText(step >= 864e5 ? text.slice(0, 10) : step >= 6e4 ? (tick % 864e5 ? text.slice(11, 16) : text.slice(5, 10)) : step >= 1000 ? text.slice(11, 19) : text.slice(11, 23), place, lanes.length * LANE + 13);
    }
  }
  function stepOf(span) {
    const steps = [1, 10, 100, 1000, 5e3, 15e3, 6e4, 3e5, 9e5, 36e5, 108e5, 216e5, 432e5, 864e5, 6048e5, 2592e6, 31536e6];
    return steps.find((step) => step >= span) || Math.ceil(span / 31536e6) * 31536e6;
  }
  const timeAt = (event) => {
    const box = canvas.getBoundingClientRect();
    return from + Math.min(Math.max((event.clientX - box.left - left()) / (box.width - left() - 8), 0), 1) * (to - from);
  };
  canvas.addEventListener("wheel", (event) => {
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const by = (event.deltaX || event.deltaY) / canvas.clientWidth * (to - from);
      look(from + by, to + by);
    } else if (event.ctrlKey || document.activeElement === canvas) {
      zoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event));
    } else return;
    event.preventDefault();
  }, { passive: false });
  let grip = null;
  canvas.addEventListener("pointerdown", (event) => { grip = { x: event.clientX, from, to, moved: false }; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    if (!grip) return;
    if (Math.abs(event.clientX - grip.x) > 3) grip.moved = true;
    if (!grip.moved) return;
    const by = (grip.x - event.clientX) / (canvas.clientWidth - left() - 8) * (grip.to - grip.from);
    look(grip.from + by, grip.to + by);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (grip && !grip.moved && inWindow) {
      const box = canvas.getBoundingClientRect(), time = timeAt(event);
      const wanted = lanes[Math.min(Math.floor((event.clientY - box.top) / LANE), lanes.length - 1)];
      let best = -1;
      for (let place = windowFirst; place < windowFirst + inWindow; place++) {
        const i = shown[place];
        if (lane[i] === wanted && (best < 0 || Math.abs(at[i] - time) < Math.abs(at[shown[best]] - time))) best = place;
      }
      if (best >= 0) choose(best - windowFirst, true);
    }
    grip = null;
  });
  canvas.addEventListener("pointercancel", () => { grip = null; });
  canvas.addEventListener("keydown", (event) => {
    const by = (to - from) / 5;
    const acts = {
      ArrowLeft: () => look(from - by, to - by), ArrowRight: () => look(from + by, to + by),
      ArrowUp: () => zoom(0.7), ArrowDown: () => zoom(1.43), "+": () => zoom(0.7), "-": () => zoom(1.43),
      Home: () => look(whole[0], whole[0] + to - from), End: () => look(whole[1] - (to - from), whole[1]),
      0: () => look(...whole), c: () => trigger >= 0 && look(at[trigger] - 18e5, at[trigger] + 18e5),
    };
    const act = acts[event.key];
    if (act && !event.ctrlKey && !event.metaKey && !event.altKey) { act(); event.preventDefault(); }
  });

  // ---------------------------------------------------------------- the list
  const height = () => (narrow.matches ? 52 : 28);
  function rows() {
    const tall = height(), begin = Math.max(Math.floor(list.scrollTop / tall) - 4, 0);
    const end = Math.min(begin + Math.ceil(list.clientHeight / tall) + 8, inWindow);
    const made = [];
    for (let place = begin; place < end; place++) {
      const i = shown[windowFirst + place];
      const badge = severity[i] ? make("span", {}, make("span", { class: `badge ${classes[severity[i]]}` }, words[severity[i]])) : make("span", {});
      const who = [data.names[data.who[i]].replace(/^arn:(?:[^:]*:){4}/, ""), data.names[data.from[i]]].filter(Boolean).join(" · ");
      const row = make("div", { class: "row", role: "option", id: `row-${place}`, "aria-setsize": inWindow, "aria-posinset": place + 1, "aria-selected": String(i === chosen) },
        make("span", { class: "t" }, stamp(at[i])), make("span", { class: "dim" }, data.lanes[lane[i]]), badge, make("span", {}, data.what[i]), make("span", { class: "dim" }, who));
      row.style.top = `${place * tall}px`;
      row.addEventListener("click", () => choose(place, false));
      made.push(row);
    }
    spacer.replaceChildren(...made);
    spacer.style.position = "relative";
  }
  function choose(place, scroll) {
    place = Math.min(Math.max(place, 0), inWindow - 1);
    if (place < 0) return;
    chosen = shown[windowFirst + place];
    const tall = height(), top = place * tall;
    if (scroll && (top < list.scrollTop || top + tall > list.scrollTop + list.clientHeight)) list.scrollTop = top - list.clientHeight / 2;
    const [what, who, address, exhibit, id] = said(chosen);
    const facts = [["When", `${stamp(at[chosen])} UTC`], ["Source", data.lanes[lane[chosen]]], ["Severity", words[severity[chosen]]], ["What", what], ["Who", who], ["From", address],
      ["Exhibit", exhibit && data.line[chosen] ? `${exhibit}, line ${data.line[chosen]}` : exhibit], ["Id", id]];
    detail.replaceChildren(make("dl", {}, ...facts.filter(([, value]) => value).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)))));
    detail.hidden = false;
    list.setAttribute("aria-activedescendant", `row-${place}`);
    drawLater();
  }
  const place = () => { const at = shown.indexOf(chosen, windowFirst) - windowFirst; return at >= 0 && at < inWindow ? at : -1; };
  list.addEventListener("scroll", drawLater, { passive: true });
  list.addEventListener("keydown", (event) => {
    const page = Math.max(Math.floor(list.clientHeight / height()) - 1, 1);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page }[event.key];
    if (by) choose(place() < 0 ? Math.ceil(list.scrollTop / height()) : place() + by, true);
    else if (event.key === "Home") choose(0, true);
    else if (event.key === "End") choose(inWindow - 1, true);
    else return;
    event.preventDefault();
  });
  new ResizeObserver(drawLater).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawLater);
  narrow.addEventListener("change", update);

  live.hidden = false;
  plain.hidden = true;
  filter();
  live.dataset.entries = count;
})();
