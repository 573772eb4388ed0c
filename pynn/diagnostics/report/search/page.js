(() => {
  const table = document.getElementById("table");
  if (!table) return;
  const make = (kind, name, text) => {
    const element = document.createElement(kind);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const rows = [...table.tBodies[0].rows];  // in their first order: by the score
  const headings = [...table.tHead.rows[0].cells], names = headings.map((cell) => cell.textContent);

  // A click on a heading sorts by it; numbers as such, and what is not there last.
  const number = (text) => Number(text.replace(/[(),]/g, ""));
  const sort = (column) => {
    const heading = headings[column];
    const texts = new Map(rows.map((row) => [row, row.cells[column].textContent]));
    const known = [...texts.values()].filter((text) => text !== "–" && text !== "");
    const numeric = known.length > 0 && known.every((text) => Number.isFinite(number(text)));
    const before = heading.getAttribute("aria-sort");
    const sign = before === "ascending" ? -1 : 1;
    headings.forEach((one) => one.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const order = [...rows.keys()].sort((a, b) => {
      const [left, right] = [texts.get(rows[a]), texts.get(rows[b])];
      const [no, nor] = [left === "–" || left === "", right === "–" || right === ""];
      if (no || nor) return no - nor || a - b;
      const far = numeric ? number(left) - number(right) : left.localeCompare(right);
      return sign * far || a - b;
    });
    table.tBodies[0].replaceChildren(...order.map((index) => rows[index]));
  };
  // A table that is cut says so, and can be shown in full.
  const region = table.parentElement;
  if (!region.classList.contains("all")) {
    const more = make("button", "more", `Show all ${rows.length} rows`);
    more.type = "button";
    more.addEventListener("click", () => {
      more.textContent = region.classList.toggle("all") ? "Show fewer rows" : `Show all ${rows.length} rows`;
    });
    region.after(more);
  }
  headings.forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => sort(column)));

  // The trial under the pointer, or that the arrow keys reach, as the table has it.
  const follow = (figure) => {
    const plot = figure.querySelector(".plot"), area = figure.querySelector(".area"), svg = figure.querySelector("svg");
    const data = JSON.parse(figure.querySelector("script").textContent);
    const tip = make("div", "tip"), points = Boolean(data.x);
    tip.setAttribute("role", "status");
    tip.hidden = true;
    const paths = points ? [] : [...svg.querySelectorAll("g path")];
    let read = null;  // the corners of the lines: at the first need, of thousands that takes a while
    const corners = () => (read ||= paths.map((path) => path.getAttribute("d").slice(1).split("L").map((pair) => pair.split(" ").map(Number))));
    const mark = points ? make("span", "ring") : document.createElementNS("http://www.w3.org/2000/svg", "path");
    if (points) area.append(mark); else { mark.setAttribute("class", "chosen"); svg.append(mark); }
    area.append(tip);
    const order = [...data.rows.keys()];
    order.sort((a, b) => points ? data.x[a] - data.x[b] || data.y[a] - data.y[b] : b - a);
    let at = -1;
    const hide = () => { tip.hidden = true; mark.style.display = "none"; };
    hide();

    const show = (place, across) => {
      at = Math.max(0, Math.min(order.length - 1, place));
      const index = order[at], row = rows[data.rows[index]];
      tip.replaceChildren(make("b", "", `trial ${row.cells[0].textContent}`), ...names.slice(1).map((name, column) => {
        const text = row.cells[column + 1].textContent, line = make("div");
        if (text === "–" || text === "") return null;
        line.append(make("span", "", name), make("span", "", text.length > 90 ? `${text.slice(0, 90)}…` : text));
        return line;
      }).filter(Boolean));
      tip.hidden = false;
      mark.style.display = "";
      if (points) {
        mark.style.left = `${data.x[index] / 10}%`;
        mark.style.bottom = `${data.y[index] / 10}%`;
      } else mark.setAttribute("d", paths[index].getAttribute("d"));
      const share = points ? data.x[index] / 1000 : across === undefined ? 1 : across;
      const room = area.clientWidth - tip.offsetWidth, left = share * area.clientWidth;
      const beside = left + 16 <= room ? left + 16 : left - 16 - tip.offsetWidth;
      tip.style.left = `${Math.max(Math.min(beside, room), Math.min(0, room))}px`;
    };
    const height = (line, x) => {
      const next = line.findIndex((corner) => corner[0] >= x);
      if (next < 1) return line[next < 0 ? line.length - 1 : 0][1];
      const [[left, low], [right, high]] = [line[next - 1], line[next]];
      return low + (high - low) * (x - left) / (right - left);
    };
    const nearest = (event) => {
      const box = area.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
      const lines = corners();
      let best = 0, distance = Infinity;
      order.forEach((index, place) => {
        const far = points ? Math.hypot((data.x[index] / 1000 - x) * box.width, (1 - data.y[index] / 1000 - y) * box.height)
          : Math.abs(height(lines[index], 1000 * x) - 1000 * y);
        if (far < distance) { distance = far; best = place; }
      });
      show(best, x);
    };
    area.addEventListener("pointermove", nearest);
    area.addEventListener("pointerdown", nearest);
    area.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") hide(); });
    plot.addEventListener("blur", hide);
    document.addEventListener("pointerdown", (event) => { if (!area.contains(event.target)) hide(); });
    plot.addEventListener("keydown", (event) => {
      const far = Math.max(1, Math.round(order.length / 20));
      const to = { ArrowLeft: at - 1, ArrowRight: at + 1, PageDown: at - far, PageUp: at + far, Home: 0, End: order.length - 1 }[event.key];
      if (event.key === "Escape") hide();
      if (to === undefined) return;
      event.preventDefault();
      show(to);
    });
  };
  document.querySelectorAll("figure.of-trials").forEach((figure) => { if (figure.querySelector("script")) follow(figure); });
})();
