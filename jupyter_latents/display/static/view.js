// The whole view of a run. `port` sends commands to the kernel; without one the view is a page of its own.

const HINT = "--into NAME gives the result a name to branch from";
const REBOUND = "no variable holds this step; Copy cell makes it again";

class View {
  constructor(root, port) {
    this.root = root;
    this.port = port;
    this.state = { title: "", state: "", status: port ? "waiting for the kernel" : "", stages: [], points: [], notes: [], crew: {}, looks: {}, sweeps: [], queue: [] };
    this.selected = null; // null follows the newest step
    this.against = null; // the point to compare with
    this.asked = new Set(); // the steps whose pictures the kernel was asked for
    this.build();
  }

  build() {
    this.channels = new Channels();
    this.picture = new Picture(this.channels);
    this.root.classList.add("jl");
    this.root.setAttribute("role", "region");
    this.root.setAttribute("aria-label", "run of diffusion stages");
    const body = make("div", "jl-body");
    const side = make("div", "jl-side");
    this.facts = make("table", "jl-facts");
    side.append(this.facts, this.channels.root);
    const main = make("div", "jl-main");
    main.append(this.picture.root, side);
    this.grid = new Grid((stage) => this.choose(stage));
    body.append(this.grid.root, this.buildAxis(), this.buildStrip(), this.buildResults(), main);
    this.body = body;
    this.foot = this.buildFoot();
    this.picture.onwhole = () => this.enlarge();
    this.next = make("div", "jl-next");
    this.root.append(this.buildHead(), this.next, this.buildQueue(), body, this.buildCrew(), this.buildNotes(), this.foot);
    this.enlarged = new Enlarged(this.root, (by) => this.enlargeBeside(by));
    this.help = new Help(this.root);
    let width = 0;
    const resized = () => width !== (width = this.root.offsetWidth) && requestAnimationFrame(() => this.balance());
    new ResizeObserver(resized).observe(this.root);
  }

  buildHead() {
    const head = make("div", "jl-head");
    this.title = make("b", "jl-title");
    this.status = make("span", "jl-status");
    // What changes with each step is not read out; what begins and ends is.
    this.heard = make("span", "jl-heard");
    this.heard.setAttribute("role", "status");
    this.pause = button("Pause", () => this.port.send({ cmd: this.state.state === "paused" ? "resume" : "pause" }));
    this.stop = button("Stop", () => {
      this.stop.disabled = true;
      this.port.send({ cmd: "stop" });
    });
    const help = button("?", () => this.help.open(), "keys and words");
    help.title = "keys and words";
    const cells = buildCellButtons(this);
    const said = make("div", "jl-headline");
    said.append(this.title, this.status, this.heard);
    const acts = make("div", "jl-acts");
    acts.append(...cells, this.pause, this.stop, help);
    head.append(said, acts);
    return head;
  }

  buildAxis() {
    const axis = make("div", "jl-axis");
    this.track = axis;
    this.bar = make("div", "jl-bar");
    this.bar.setAttribute("role", "progressbar");
    this.bar.setAttribute("aria-label", "steps of all stages");
    this.scrubber = make("input", "jl-scrubber");
    this.scrubber.type = "range";
    this.scrubber.min = 0;
    keepKeys(this.scrubber);
    this.scrubber.setAttribute("aria-label", "step");
    this.scrubber.addEventListener("input", () => this.select(this.axis.nearest(Number(this.scrubber.value))));
    this.legend = make("div", "jl-legend");
    const track = make("div", "jl-track");
    track.append(this.bar, this.scrubber);
    axis.append(track, this.legend, this.buildEach());
    return axis;
  }

  // The choice to have every step's picture made while the run goes on, which takes its time.
  buildEach() {
    this.each = make("label", "jl-each");
    const box = make("input");
    box.type = "checkbox";
    box.addEventListener("change", () => this.port.send({ cmd: "each", on: box.checked }));
    keepKeys(box);
    this.each.append(box, " a picture of every step");
    this.each.title = "each takes its time; without it there are as many as cost next to nothing";
    shown(this.each, false);
    return this.each;
  }

  buildStrip() {
    this.strip = make("div", "jl-strip");
    this.thumbs = [];
    for (let index = 0; index < STRIP; index++) {
      const thumb = button("", () => this.select(Number(thumb.dataset.point)));
      thumb.className = "jl-thumb";
      thumb.append(make("img"));
      thumb.firstChild.alt = "";
      this.thumbs.push(thumb);
    }
    this.strip.append(...this.thumbs);
    return this.strip;
  }

  buildResults() {
    this.results = make("div", "jl-grid");
    return this.results;
  }

  buildNotes() {
    this.notes = make("details", "jl-notes");
    this.note = make("summary");
    this.noteList = make("ul");
    this.notes.append(this.note, this.noteList);
    return this.notes;
  }

  buildQueue() {
    this.queue = make("div", "jl-queue");
    this.queue.setAttribute("role", "group");
    this.queue.setAttribute("aria-label", "runs that wait");
    shown(this.queue, false);
    return this.queue;
  }

  buildCrew() {
    this.crew = make("details", "jl-crew");
    this.crewTold = make("summary");
    this.crewTable = make("table");
    this.crew.append(this.crewTold, this.crewTable);
    this.looks = make("div", "jl-looks");
    this.looks.setAttribute("role", "group");
    this.looks.setAttribute("aria-label", "stages at work");
    shown(this.crew, false);
    shown(this.looks, false);
    const both = make("div");
    both.append(this.looks, this.crew);
    return both;
  }

  buildFoot() {
    const foot = make("div", "jl-foot");
    this.branch = button("Copy line", () => this.branchHere());
    this.line = make("code", "jl-line");
    this.said = make("span", "jl-said");
    this.said.setAttribute("role", "status");
    this.compare = button("Compare", () => this.toggleCompare());
    this.compare.setAttribute("aria-pressed", "false");
    this.pinned = make("select", "jl-button jl-pinned");
    this.pinned.setAttribute("aria-label", "compare with");
    keepKeys(this.pinned);
    this.pinned.addEventListener("change", () => {
      this.against = Number(this.pinned.value);
      this.draw();
    });
    this.menu = buildMenu(this);
    foot.append(this.branch, this.line, this.said, make("span", "jl-space"), this.compare, this.pinned, this.menu);
    return foot;
  }

  // Something changed: draw it all again, which touches only what differs.
  draw() {
    const { state } = this;
    this.axis = new Axis(state, pathOf(state, this.looked()));
    put(this.title, state.title);
    putWords(this.status, state.left ? `${state.status} · ${state.left}` : state.status);
    this.root.classList.toggle("jl-failed", state.state === "failed");
    put(this.heard, state.heard || "");
    putWords(this.next, state.next || "");
    shown(this.next, Boolean(state.next));
    shown(this.body, state.stages.length > 0);
    shown(this.foot, state.points.length > 0);
    const going = Boolean(this.port) && ["queued", "running", "paused", "stopping"].includes(state.state);
    const waiting = state.state === "queued"; // nothing of it can be paused or kept yet
    this.status.dataset.state = state.still ? "" : state.state;
    shown(this.pause, going && !waiting);
    shown(this.stop, going);
    shown(this.each, going && state.state !== "stopping");
    put(this.pause, state.state === "paused" ? "Resume" : "Pause");
    this.pause.classList.toggle("jl-primary", state.state === "paused");
    put(this.stop, waiting ? "Cancel" : "Stop");
    this.stop.ariaLabel = waiting ? "cancel this run" : null;
    this.stop.disabled = state.state === "stopping";
    this.bar.classList.toggle("jl-busy", Boolean(state.busy) && going);
    this.picture.root.classList.toggle("jl-blank", going && !state.points.some((point) => point.f));
    shown(this.picture.root, state.state !== "queued");
    drawBar(this);
    drawStrip(this);
    drawResults(this);
    drawQueue(this);
    drawCrew(this);
    drawNotes(this);
    this.drawSelected();
  }

  balance() {
    this.grid.balance();
    if (!this.results.hidden) balance(this.results, this.results.childElementCount);
  }

  at() {
    const last = this.state.points.length - 1;
    return this.selected === null ? last : Math.min(this.selected, last);
  }

  // The stage that is looked at: that of the chosen step, else the one that began last.
  looked() {
    const point = this.state.points[this.at()];
    return point ? point.g : 0;
  }

  // The picture in full: what the page holds at once, the whole one when the kernel has sent it.
  enlarge() {
    const index = this.at();
    const { pictures } = this.state.stages[this.state.points[index].g];
    const source = this.picture.main.getAttribute("src");
    const decoded = Boolean(pictures) && this.sources(index) === pictures;
    const row = this.row();
    const made = decoded ? this.state.stages[this.state.points[index].g].made : "";
    this.enlarged.open(source, this.picture.main.alt, made, row.indexOf(index), row.length);
    if (this.port && decoded) this.port.send({ cmd: "whole", point: index, picture: Math.max(0, this.picture.enlarged) });
  }

  // The points that can be enlarged one after the other: those of the grid's pictures, else the steps that have one.
  row() {
    const here = this.at();
    const swept = this.grid.root.hidden ? [] : this.grid.entries.filter((entry) => entry.source);
    const ends = swept.map((entry) => this.axis.lastOf(entry.index));
    if (ends.includes(here)) return ends;
    const own = this.state.points.map((point, index) => (this.axis.on.has(point.g) && (this.thumbnail(point) || index === here) ? index : -1));
    return own.filter((index) => index >= 0);
  }

  enlargeBeside(by) {
    const row = this.row();
    this.select(row[row.indexOf(this.at()) + by] ?? -1);
    if (this.picture.main.getAttribute("src")) this.enlarge();
  }

  // A picture of the sweep is chosen; one that is chosen already is enlarged.
  choose(stage) {
    const index = this.axis.lastOf(stage);
    if (index >= 0 && index === this.at()) this.picture.whole();
    else if (index >= 0) this.select(index);
    else this.draw();
  }

  select(index) {
    if (index < 0) return;
    this.selected = index === this.state.points.length - 1 ? null : index;
    this.picture.enlarged = -1;
    put(this.said, "");
    this.draw();
  }

  // The pictures that stand for a point: the decoded ones for the last step of a stage, else its frame.
  sources(index) {
    if (index < 0) return [];
    const stage = this.state.stages[this.state.points[index].g];
    if (stage.pictures && stage.pictures.length && this.axis.lastOf(this.state.points[index].g) === index) return stage.pictures;
    const framed = this.axis.framed(index);
    return framed < 0 ? [] : [this.state.points[framed].f];
  }

  // The small picture of a point: the decoded one at the end of a stage, else its frame; nothing where it has none.
  thumbnail(point) {
    const pictures = this.axis.isEnd(point) ? this.state.stages[point.g].pictures : null;
    return pictures && pictures.length === 1 ? pictures[0] : point.f;
  }

  drawSelected() {
    const index = this.at();
    const point = this.state.points[index];
    const stage = point ? this.state.stages[point.g] : this.state.stages[0];
    this.scrubber.max = this.axis.length;
    this.scrubber.disabled = !point;
    this.scrubber.value = point ? this.axis.position(point) : 0;
    this.scrubber.setAttribute("aria-valuetext", point ? `${stage.label}, ${point.n}` : "no step yet");
    const here = point && this.thumbAt(point);
    this.thumbs.forEach((thumb) => thumb.classList.toggle("jl-here", thumb === here));
    const comparing = this.against !== null && this.against < this.state.points.length;
    this.picture.items = stage ? stage.batch : 1;
    const before = comparing ? this.sources(this.against)[0] : null;
    this.picture.show(this.sources(index), altOf(this, index), before, before ? halves(this, index) : []);
    this.picture.tell(before ? "" : badgeOf(this, index));
    this.root.classList.toggle("jl-comparing", Boolean(before));
    drawFacts(this, stage, point);
    drawChannels(this, index);
    this.drawLine(stage, point, index);
    shown(this.menu, Boolean(point));
    drawMenu(this, stage, index);
    drawCompare(this);
    drawCellButtons(this);
    this.askForPicture(index, point);
  }

  // A step that had no time for a picture gets it when somebody looks at it: chosen, or the newest one of a paused run.
  askForPicture(index, point) {
    const looked = this.selected !== null || this.state.state === "paused";
    if (!this.port || !point || !looked || this.thumbnail(point) || this.asked.has(index)) return;
    this.asked.add(index);
    this.port.send({ cmd: "picture", point: index });
  }

  // The line to type: a branch at this step, or what to do with the result where it is the last one.
  drawLine(stage, point, index) {
    const ended = point && stage.name && this.axis.lastOf(point.g) === index && point.s === stage.start + stage.steps;
    this.name = point && stage.line ? (ended ? stage.stem : `${stage.stem}_${point.s}`) : "";
    this.expression = ended ? stage.name : point ? `${stage.line}at(step=${point.s})` : "";
    const line = ended ? `${stage.name}.save("${stage.stem}.safetensors")` : `${this.name} = ${this.expression}`;
    put(this.line, this.name ? line : !point || this.state.still ? "" : stage.rebound ? REBOUND : HINT);
    this.line.classList.toggle("jl-hint", !this.name);
    this.binds = Boolean(this.port) && !ended; // what is whole has its name already
    put(this.branch, this.binds ? "Branch here" : "Copy line");
    shown(this.branch, Boolean(this.name));
  }

  // The thumbnail of the part of the bar in which a point stands.
  thumbAt(point) {
    const position = this.axis.position(point);
    return this.thumbs[partsOf(this.axis).findIndex(([, to]) => position <= to)];
  }

  branchHere() {
    if (this.binds) this.port.send({ cmd: "branch", point: this.at() });
    else this.copy(this.line.textContent);
  }

  async copy(text, done = "copied") {
    put(this.said, (await copyText(text)) ? done : "this browser lets nothing be copied");
  }

  // The cell of the chosen step, or of all pictures of the sweep: copied, or put below this one.
  askForCell(whole, fresh) {
    const point = this.at();
    if (this.port) this.port.send({ cmd: "cell", point, whole, new: fresh });
    else this.copy(heldCell(this.state, whole ? "whole" : point), "the cell is copied");
  }

  takeCell(cell, fresh) {
    if (fresh && this.port.insert(cell)) put(this.said, "the cell stands below");
    else this.copy(cell, "the cell is copied");
  }

  toggleCompare() {
    if (this.against !== null) this.against = null;
    else this.against = choices(this)[0].index;
    this.draw();
  }
}
