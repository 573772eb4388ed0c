"use strict";
(() => {
  const number = (value) => {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    if (value && (size < 1e-4 || size >= 1e6)) return value.toExponential(2);
    return size >= 1000 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(4)));
  };
  const make = (kind, name, text) => {
    const element = document.createElement(kind);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  // A crosshair and the values of all lines at it, by pointer, touch and keyboard.
  const follow = (figure) => {
    const plot = figure.querySelector(".plot"), area = figure.querySelector(".area");
    const data = JSON.parse(figure.querySelector("script").textContent);
    const cursor = make("div", "cursor"), tip = make("div", "tip");
    tip.setAttribute("role", "status");
    cursor.hidden = tip.hidden = true;
    area.append(cursor, tip);
    const points = data.points;
    const lines = points ? [] : data.series.map((line) => ({ ...line, x: line.x || data.x }));
    const places = points ? points[0] : [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
    const order = points ? [...places.keys()].sort((a, b) => places[a] - places[b]) : [...places.keys()];
    let at = -1;

    const show = (place) => {
      at = Math.max(0, Math.min(order.length - 1, place));
      const index = order[at], x = places[index], share = (x - data.low) / (data.high - data.low);
      cursor.style.left = `${100 * share}%`;
      const rows = points ? [[data.up, points[1][index]]]
        : lines.map((line) => { const i = line.x.indexOf(x); return [line.name, i < 0 ? undefined : line.y[i], line.colour]; });
      if (data.between) {
        const [first, second] = data.between.map((name) => (rows.find((row) => row[0] === name) || [])[1]);
        if (typeof first === "number" && typeof second === "number") rows.push(["gap", second - first]);
      }
      tip.replaceChildren(make("b", "", `${data.across} ${number(x)}`), ...rows.filter((row) => row[1] !== undefined).map(([name, value, colour]) => {
        const row = make("div"), key = make("span", "key");
        if (colour) key.append(make("i", colour));
        key.append(name);
        row.append(key, make("span", "", number(value)));
        return row;
      }));
      cursor.hidden = tip.hidden = false;
      const room = area.clientWidth - tip.offsetWidth, left = share * area.clientWidth;
      const beside = left + 12 <= room ? left + 12 : left - 12 - tip.offsetWidth;
      tip.style.left = `${Math.max(Math.min(beside, room), Math.min(0, room))}px`;
    };
    const hide = () => { cursor.hidden = tip.hidden = true; };
    const nearest = (event) => {
      const box = area.getBoundingClientRect();
      const wanted = data.low + (event.clientX - box.left) / box.width * (data.high - data.low);
      let best = 0, distance = Infinity;
      const up = points ? data.low + (box.bottom - event.clientY) / box.height * (data.high - data.low) : 0;
      order.forEach((index, place) => {
        const far = points ? Math.hypot(places[index] - wanted, points[1][index] - up) : Math.abs(places[index] - wanted);
        if (far < distance) { distance = far; best = place; }
      });
      show(best);
    };
    area.addEventListener("pointermove", nearest);
    area.addEventListener("pointerdown", nearest);
    area.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") hide(); });
    plot.addEventListener("blur", hide);
    plot.addEventListener("keydown", (event) => {
      const far = Math.max(1, Math.round(order.length / 20));
      const to = { ArrowLeft: at - 1, ArrowRight: at + 1, PageDown: at - far, PageUp: at + far, Home: 0, End: order.length - 1 }[event.key];
      if (event.key === "Escape") hide();
      if (to === undefined) return;
      event.preventDefault();
      show(to);
    });
  };
  const prepare = (root) => root.querySelectorAll("figure.chart:not(.of-trials)").forEach(follow);
  document.addEventListener("pointerdown", (event) => {  // a touch elsewhere closes what a touch has opened
    document.querySelectorAll(".area").forEach((area) => {
      if (!area.contains(event.target)) area.querySelectorAll(".cursor, .tip").forEach((one) => { one.hidden = true; });
    });
  });
  prepare(document);

  // A live page asks for news, and takes them over without moving what is being read.
  const live = document.body.dataset.live;
  if (!live) return;
  const main = document.getElementById("main");
  let version = "", pause = 1000;
  const lost = () => {
    const line = document.getElementById("ending");
    if (line && !line.dataset.lost) {
      line.dataset.lost = "1";
      line.append(make("b", "", " The report's server has ended: this is the last state."));
    }
  };
  const replace = (text) => {
    const open = new Set([...main.querySelectorAll("details[open]")].map((one) => one.id));
    const focused = document.activeElement && document.activeElement.closest("figure.chart");
    const left = window.scrollX, top = window.scrollY, place = (one) => one.getBoundingClientRect().top;
    const read = top > 0 && [...main.querySelectorAll("[id]")].find((one) => place(one) >= 0);  // what is being read
    const height = read && place(read);
    const sides = new Map([...main.querySelectorAll(".scroll")].map((one, number) => [number, one.scrollLeft]));
    main.innerHTML = text;
    main.querySelectorAll("details").forEach((one) => { one.open = open.has(one.id); });
    main.querySelectorAll(".scroll").forEach((one, number) => { one.scrollLeft = sides.get(number) || 0; });
    prepare(main);
    const same = read && document.getElementById(read.id);
    window.scrollTo({ top, left, behavior: "instant" });
    if (same) window.scrollBy({ top: place(same) - height, behavior: "instant" });
    const again = focused && document.getElementById(focused.id);
    if (again) again.querySelector(".plot").focus({ preventScroll: true });
  };
  let moved = 0, at = "";  // values are being read while the pointer or a key moves, not where a pointer only lies
  document.addEventListener("pointermove", (event) => {
    if (at !== `${event.clientX} ${event.clientY}`) { at = `${event.clientX} ${event.clientY}`; moved = performance.now(); }
  });
  document.addEventListener("keydown", () => { moved = performance.now(); });
  let scrolled = -Infinity;  // a scroll to a link goes step by step, and what replaces the page would end it halfway
  window.addEventListener("scroll", () => { scrolled = performance.now(); }, { passive: true });
  const busy = () => performance.now() - scrolled < 1000
    || (performance.now() - moved < 4000 && [...document.querySelectorAll(".tip")].some((tip) => !tip.hidden));
  const ask = async () => {
    try {
      const answer = await fetch(`${live}?version=${encodeURIComponent(version)}`, { cache: "no-store" });
      if (answer.status === 200) {
        const news = await answer.json();
        if (news.main && !busy()) { version = news.version; replace(news.main); }
        pause = news.state === "running" ? 1000 : 5000;
      }
    } catch { lost(); pause = 5000; }
    setTimeout(ask, pause);
  };
  ask();
})();
