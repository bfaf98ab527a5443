// The gallery: results as cards; one is chosen, and its cell copied, put below, bound to a name or gone on from.

const AGES = [[86400, "day"], [3600, "h"], [60, "min"], [1, "s"]];

// How long ago something was made.
function age(at) {
  const seconds = Math.max(1, Date.now() / 1000 - at);
  const [size, unit] = AGES.find(([least]) => seconds >= least);
  const count = Math.floor(seconds / size);
  return `${count} ${unit}${unit === "day" && count > 1 ? "s" : ""} ago`;
}

// What a result is called; one that no variable holds goes by its number.
function called(one) {
  return one.name || `result ${one.id}`;
}

// The steps that a noisy result has behind it; nothing for a finished one.
function badge(one) {
  const part = make("span", "jl-part", one.place || "noisy");
  if (one.place) part.prepend(make("i", "", "step "));
  part.title = `not finished: ${one.noise}`;
  return part;
}

class Gallery {
  // `port` sends commands to the kernel; without one the gallery is a page of its own.
  constructor(root, port) {
    this.root = root;
    this.port = port;
    this.state = { items: [], lines: [], count: 0, live: {} };
    this.chosen = null; // ids of results
    this.second = null;
    root.classList.add("jl", "jl-wide");
    root.setAttribute("role", "region");
    root.setAttribute("aria-label", "gallery of results");
    const body = make("div", "jl-body");
    this.cards = make("div", "jl-cards");
    this.none = make("div", "jl-empty");
    this.cards.addEventListener("keydown", (event) => this.walk(event));
    this.cards.addEventListener("scroll", () => this.drawBelow());
    const shelf = make("div", "jl-shelf");
    shelf.append(this.cards, this.buildBelow());
    body.append(shelf, this.none);
    new ResizeObserver(() => this.drawBelow()).observe(this.cards);
    this.enlarged = new Enlarged(root, (by) => this.enlargeBeside(by));
    root.append(this.buildHead(), body, this.buildAbout(), this.buildFoot());
  }

  buildHead() {
    const head = make("div", "jl-head");
    this.told = make("span", "jl-status");
    this.search = make("input", "jl-search");
    this.search.type = "search";
    this.search.placeholder = "search prompts";
    this.search.setAttribute("aria-label", "search prompts, names, models and seeds");
    this.search.addEventListener("input", () => this.draw());
    keepKeys(this.search);
    head.append(make("b", "jl-title", "Gallery"), this.told, make("span", "jl-space"), this.search);
    return head;
  }

  // Says over the last row how many cards are to be scrolled to.
  buildBelow() {
    this.below = make("div", "jl-below");
    this.more = button("", () => this.cards.scrollBy({ top: 0.8 * this.cards.clientHeight, behavior: "smooth" }));
    this.below.append(this.more);
    return this.below;
  }

  buildAbout() {
    this.about = make("div", "jl-about");
    this.look = button("", () => this.enlarge(this.chosen));
    this.look.className = "jl-look";
    this.look.title = "enlarge: so does another click on the picture, or Enter";
    this.small = make("img");
    this.small.alt = "";
    this.look.append(this.small);
    this.prompt = make("div", "jl-prompt");
    this.where = make("div", "jl-where");
    const words = make("div", "jl-told");
    words.append(this.prompt, this.where);
    this.about.append(this.look, words);
    return this.about;
  }

  buildFoot() {
    this.foot = make("div", "jl-foot");
    this.copyCell = button("Copy cell", () => this.copy(this.text("cell"), "the cell is copied"));
    this.copyCell.title = "copies the cell that makes this result";
    this.newCell = button("New cell", () => this.put(this.text("cell")));
    this.onward = button("Go on from it", () => this.goOn());
    this.onward.title = "gives a cell with the rest of its steps, or with its picture where it is finished";
    this.bind = button("Bind", () => this.port.send({ cmd: "bind", item: this.chosen, name: this.name.value }));
    this.bind.title = "binds these latents to the name beside it";
    this.name = make("input", "jl-bindname");
    this.name.setAttribute("aria-label", "name to bind to");
    this.name.addEventListener("keydown", (event) => event.key === "Enter" && this.bind.click());
    keepKeys(this.name);
    this.group = make("span", "jl-group");
    this.group.append(this.bind, this.name);
    this.compare = button("Compare 2", () => this.port.send({ cmd: "compare", items: [this.chosen, this.second] }));
    this.said = make("span", "jl-said");
    this.said.setAttribute("role", "status");
    this.foot.append(this.copyCell, this.newCell, this.onward, this.group, this.compare, make("span", "jl-space"), this.said);
    return this.foot;
  }

  item(id) {
    return this.state.items.find((one) => one.id === id);
  }

  // A cell of the chosen result: `cell` makes it, `next` makes it and goes on.
  text(which) {
    const item = this.item(this.chosen);
    return item ? item[which].map((number) => this.state.lines[number]).join("\n") : "";
  }

  found() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const said = (one) => `${one.name} ${one.prompt} ${one.model} seed ${one.seed} ${one.noise}`.toLowerCase();
    return this.state.items.filter((one) => words.every((word) => said(one).includes(word)));
  }

  draw() {
    const { state } = this;
    const found = this.found();
    const results = state.count ? `${state.count} ${state.count > 1 ? "results" : "result"}` : "no results yet";
    const here = state.items.length < state.count ? `, the newest ${state.items.length} here` : "";
    put(this.told, `this session \u00b7 ${results}${here}`);
    if (!found.some((one) => one.id === this.chosen)) this.chosen = found.length ? found[0].id : null;
    if (!found.some((one) => one.id === this.second) || this.second === this.chosen) this.second = null;
    put(this.none, found.length ? "" : state.count ? "nothing matches these words" : "a %%dgen cell makes results");
    const key = found.map((one) => `${one.id}:${one.name}`).join();
    if (this.cards.dataset.key !== key) {
      this.cards.dataset.key = key;
      this.cards.replaceChildren(...found.map((one) => this.card(one)));
    }
    shown(this.cards, found.length > 0);
    needWidth(this.root, state.items.length, 28);
    shown(this.search, state.count > 1);
    this.drawBelow();
    this.drawChosen();
  }

  drawBelow() {
    const { scrollTop, clientHeight, children } = this.cards;
    const end = children.length ? children[0].offsetTop + scrollTop + clientHeight : 0;
    const count = [...children].filter((card) => card.offsetTop + card.offsetHeight > end + 4).length;
    shown(this.below, count > 0);
    put(this.more, `\u25be ${count} more below`);
  }

  card(one) {
    const card = button("", (event) => this.choose(one.id, event));
    card.className = "jl-card";
    card.dataset.id = one.id;
    card.title = `${one.prompt}\n(another click enlarges it)`.trim();
    const picture = one.f ? make("img") : make("div", "jl-none");
    if (one.f) {
      Object.assign(picture, { src: one.f, alt: "", loading: "lazy" });
      picture.addEventListener("load", () => picture.style.setProperty("max-width", `${SHARP * picture.naturalWidth}px`));
    }
    const shot = make("div", "jl-shot");
    shot.append(picture, ...(one.noise ? [badge(one)] : []));
    const words = make("figcaption");
    const seed = one.seed === null ? "" : `seed ${one.seed}`;
    words.append(make("b", one.name ? "" : "jl-unnamed", called(one)), make("span", "jl-says", one.prompt || one.model), make("span", "", seed));
    card.append(shot, words);
    card.setAttribute("aria-label", [called(one), one.prompt, one.noise, seed, one.model].filter(Boolean).join(", "));
    keepKeys(card);
    return card;
  }

  // A click chooses, another one enlarges; with Shift a second result is chosen, to compare both.
  choose(id, event) {
    put(this.said, "");
    if (event.shiftKey || event.ctrlKey || event.metaKey) this.second = id === this.second || id === this.chosen ? null : id;
    else if (id === this.chosen) return this.enlarge(id);
    else [this.chosen, this.second] = [id, null];
    this.drawChosen();
  }

  enlarge(id) {
    const one = this.item(id);
    if (!one.f) return;
    const row = this.row();
    const made = this.port ? "" : ", the small copy that this page holds";
    this.enlarged.open(one.f, [called(one), one.prompt].filter(Boolean).join(", "), made, row.indexOf(id), row.length);
    this.opened = id;
    if (this.port) this.port.send({ cmd: "whole", item: id });
  }

  // The results that can be enlarged one after the other.
  row() {
    return this.found().filter((one) => one.f).map((one) => one.id);
  }

  enlargeBeside(by) {
    const row = this.row();
    [this.chosen, this.second] = [row[row.indexOf(this.opened) + by], null];
    this.drawChosen();
    this.enlarge(this.chosen);
  }

  drawChosen() {
    const one = this.item(this.chosen);
    for (const card of this.cards.children) {
      const id = Number(card.dataset.id);
      card.setAttribute("aria-pressed", String(id === this.chosen || id === this.second));
      card.classList.toggle("jl-second", id === this.second);
    }
    shown(this.about, Boolean(one));
    shown(this.foot, Boolean(one));
    if (!one) return;
    const held = this.state.live[one.id];
    const seed = one.seed === null ? "" : `seed ${one.seed}`;
    put(this.prompt, one.prompt || "no prompt");
    const now = held ? (held === one.name ? "" : `now ${held}`) : one.name ? "" : "not saved as a variable";
    put(this.where, [called(one), now, one.noise || "finished", seed, one.model, age(one.at)].filter(Boolean).join(" \u00b7 "));
    this.where.title = `made on ${new Date(1000 * one.at).toLocaleString()}`;
    shown(this.look, Boolean(one.f));
    if (one.f && this.small.src !== one.f) this.small.src = one.f;
    this.look.setAttribute("aria-label", `enlarge ${called(one)}`);
    shown(this.copyCell, one.cell.length > 0);
    shown(this.newCell, one.cell.length > 0 && Boolean(this.port && this.port.inserts));
    shown(this.onward, one.next.length > 0);
    put(this.onward, this.port ? "Go on from it" : "Copy cell to continue");
    shown(this.group, Boolean(this.port));
    shown(this.compare, Boolean(this.port) && this.second !== null);
    if (this.named !== this.chosen) this.name.value = held ? "" : `result_${one.id}`;
    this.name.placeholder = "name";
    this.named = this.chosen;
  }

  goOn() {
    if (this.port) this.port.send({ cmd: "next", item: this.chosen });
    else this.copy(this.text("next"), "a cell that goes on is copied");
  }

  put(cell) {
    if (this.port.insert(cell)) put(this.said, "the cell stands below");
    else this.copy(cell, "the cell is copied");
  }

  async copy(text, done) {
    put(this.said, (await copyText(text)) ? done : "this browser lets nothing be copied");
  }

  // Arrow keys go from card to card, by rows as they are drawn.
  walk(event) {
    const cards = [...this.cards.children];
    const at = cards.indexOf(event.target);
    if (at < 0) return;
    const wide = Math.max(1, cards.filter((card) => card.offsetTop === cards[0].offsetTop).length);
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -wide, ArrowDown: wide }[event.key];
    if (!move || !cards[at + move]) return;
    event.preventDefault();
    cards[at + move].focus();
  }
}
