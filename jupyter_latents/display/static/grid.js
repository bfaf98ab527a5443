// The pictures of a sweep between the values of its options; a picture that is chosen is shown below.

class Grid {
  // `choose` is called with the index of a stage.
  constructor(choose) {
    this.choose = choose;
    this.root = make("div", "jl-sweep");
    this.tabs = make("div", "jl-tabs");
    this.tabs.setAttribute("role", "tablist");
    this.scroll = make("div", "jl-scroll");
    this.root.append(this.tabs, this.scroll);
    this.opened = null; // the tab that was clicked; null follows what is chosen
    this.root.addEventListener("keydown", (event) => this.walk(event));
    this.entries = [];
  }

  balance() {
    if (this.line) balance(this.line, this.entries.length);
  }

  // `entries` has for each stage of the sweep its index, place, label and source; `here` is the index of the chosen one.
  show(sweep, entries, here) {
    const chosen = entries.find((entry) => entry.index === here);
    if (chosen && chosen.index !== this.here) this.opened = null;
    this.here = chosen ? chosen.index : null;
    this.entries = entries;
    this.tab = this.opened ?? (chosen ? chosen.place[0] : 0);
    this.drawTabs(sweep);
    const key = JSON.stringify([sweep, this.tab, entries.length]);
    if (this.key !== key) this.build(sweep, key);
    for (const entry of entries.filter((one) => one.place[0] === this.tab)) this.fill(entry);
    if (this.seen !== this.here) this.seek();
  }

  // Scrolls to the chosen picture, and nothing but the grid.
  seek() {
    const cell = [...this.cells.values()].find((one) => one.getAttribute("aria-pressed") === "true");
    if (!cell || !cell.offsetWidth) return;
    this.seen = this.here;
    const [own, box] = [cell.getBoundingClientRect(), this.scroll.getBoundingClientRect()];
    this.scroll.scrollLeft += Math.max(0, own.right - box.right) - Math.max(0, box.left + 120 - own.left);
    this.scroll.scrollTop += Math.max(0, own.bottom - box.bottom) - Math.max(0, box.top + 30 - own.top);
  }

  drawTabs(sweep) {
    shown(this.tabs, sweep.tabs.length > 1);
    if (this.tabs.childElementCount !== sweep.tabs.length) {
      this.tabs.replaceChildren(...sweep.tabs.map((text, tab) => this.tabButton(text, tab)));
    }
    [...this.tabs.children].forEach((one, tab) => {
      one.setAttribute("aria-selected", String(tab === this.tab));
      one.tabIndex = tab === this.tab ? 0 : -1;
    });
  }

  tabButton(text, tab) {
    const one = button(text, () => {
      this.opened = tab;
      const [, row, column] = (this.entries.find((entry) => entry.index === this.here) || { place: [0, 0, 0] }).place;
      const there = this.entries.filter((entry) => entry.place[0] === tab && entry.source);
      const same = there.find((entry) => entry.place[1] === row && entry.place[2] === column);
      this.choose((same || there[0] || { index: -1 }).index);
    });
    one.className = "jl-tab";
    one.setAttribute("role", "tab");
    keepKeys(one);
    return one;
  }

  build(sweep, key) {
    this.key = key;
    this.named = Boolean(sweep.columns.name);
    this.cells = new Map();
    this.line = null;
    this.columns = sweep.rows.name ? sweep.columns.values.length : 0; // of a table
    this.scroll.replaceChildren(this.columns ? this.table(sweep) : this.row(sweep));
  }

  table(sweep) {
    const table = make("table", "jl-lattice");
    const names = [`${sweep.rows.name} \u2193`, `${sweep.columns.name} \u2192`];
    const longest = Math.max(...[...names, ...sweep.rows.values].map((text) => text.length));
    this.side = Math.min(152, 14 + 8 * longest); // pixels of the names and values at the left
    table.style.setProperty("--jl-count", sweep.columns.values.length);
    table.style.setProperty("--jl-side", `${this.side}px`);
    const head = make("tr");
    const corner = make("th", "jl-corner");
    corner.append(...names.map((name) => make("span", "", name)));
    head.append(corner, ...sweep.columns.values.map((text) => this.header(text, "col", sweep.columns.name)));
    const rows = sweep.rows.values.map((text, row) => {
      const line = make("tr");
      const cells = sweep.columns.values.map((_, column) => {
        const cell = make("td");
        cell.append(this.cell(row, column));
        return cell;
      });
      line.append(this.header(text, "row", sweep.rows.name), ...cells);
      return line;
    });
    table.append(head, ...rows);
    return table;
  }

  header(text, scope, name) {
    const head = make("th", "", text);
    head.scope = scope;
    head.title = `${name} ${text}`;
    return head;
  }

  row(sweep) {
    const row = (this.line = make("div", "jl-row"));
    for (const entry of this.entries) {
      const cell = make("div");
      const text = this.named ? sweep.columns.values[entry.place[2]] : entry.label;
      cell.append(this.cell(0, this.named ? entry.place[2] : entry.index), make("span", "", text));
      row.append(cell);
    }
    if (!this.named) return row;
    const both = make("div");
    both.append(make("div", "jl-axisname", `${sweep.columns.name} \u2192`), row);
    return both;
  }

  cell(row, column) {
    const cell = button("", () => this.choose(Number(cell.dataset.stage)));
    cell.className = "jl-pick";
    const picture = make("img");
    const far = make("span", "jl-badge");
    shown(far, false);
    picture.addEventListener("load", () => this.scroll.style.setProperty("--jl-most", `${SHARP * picture.naturalWidth}px`));
    cell.append(picture, far);
    cell.disabled = true;
    keepKeys(cell);
    this.cells.set(`${row},${column}`, cell);
    return cell;
  }

  // `look` is the picture of one that is at work elsewhere, and `far` how far that is.
  fill({ index, place, label, source, look, far }) {
    const cell = this.cells.get(`${place[1]},${this.named ? place[2] : index}`);
    if (!cell) return;
    cell.dataset.stage = index;
    cell.disabled = !source;
    const [picture, told] = cell.children;
    const seen = source || look;
    picture.alt = "";
    if (seen && picture.getAttribute("src") !== seen) picture.src = seen;
    shown(picture, Boolean(seen));
    cell.classList.toggle("jl-atwork", !source && Boolean(look));
    put(told, source ? "" : far || "");
    shown(told, Boolean(told.textContent));
    cell.title = label;
    cell.setAttribute("aria-label", label);
    cell.setAttribute("aria-pressed", String(index === this.here));
  }

  // Arrow keys go from picture to picture, and from tab to tab.
  walk(event) {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const move = moves[event.key];
    if (!move) return;
    const tab = [...this.tabs.children].indexOf(event.target);
    const [at] = [...this.cells].find(([, cell]) => cell === event.target) || [];
    const [row, column] = at ? at.split(",").map(Number) : [];
    const next = tab >= 0 ? this.tabs.children[tab + move[1]] : at && this.cells.get(`${row + move[0]},${column + move[1]}`);
    if (!next || next.disabled) return;
    event.preventDefault();
    next.focus();
    if (tab >= 0) next.click();
  }
}

// Which stages stand on the bar: of each sweep the one that belongs to the stage that is looked at.
function pathOf({ stages }, looked) {
  const choice = new Map((stages[looked] || { choice: [] }).choice);
  const path = new Map();
  stages.forEach((stage, index) => {
    const agrees = index === looked || stage.choice.every(([name, value]) => !choice.has(name) || choice.get(name) === value);
    const here = (stages[looked] || {}).group === stage.group;
    if (here ? index === looked : agrees && !path.has(stage.group)) path.set(stage.group, index);
  });
  return [...path.values()].sort((one, other) => one - other);
}
