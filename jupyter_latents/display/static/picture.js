// The large picture: one frame, the pictures of a batch, or two laid over each other with a slider between.

class Picture {
  constructor(channels) {
    this.root = make("div", "jl-stage");
    this.root.tabIndex = 0;
    keepKeys(this.root);
    this.root.setAttribute("role", "group");
    this.main = make("img", "jl-large");
    this.before = make("img", "jl-large jl-before");
    this.mark = make("div", "jl-mark");
    this.many = make("div", "jl-many");
    this.one = make("div", "jl-one");
    this.slider = make("input", "jl-wipe");
    this.slider.type = "range";
    this.slider.min = 0;
    this.slider.max = 100;
    this.slider.value = 50;
    keepKeys(this.slider);
    this.slider.setAttribute("aria-label", "before and after");
    this.slider.addEventListener("input", () => this.wipe());
    this.divider = make("div", "jl-divider");
    this.names = [make("span", "jl-half"), make("span", "jl-half jl-other")];
    this.badge = make("span", "jl-badge");
    this.one.append(this.main, this.before, this.divider, this.mark, ...this.names, this.badge, this.slider);
    this.root.append(this.one, this.many);
    this.channels = channels;
    this.onwhole = () => {};
    this.comparing = false;
    this.enlarged = -1;
    this.items = 1; // pictures in the batch, of which a frame shows all
    this.hover();
    this.wipe();
  }

  hover() {
    this.one.addEventListener("pointermove", (event) => {
      if (this.items > 1 && this.enlarged !== 0) return; // the values are those of the first picture of a batch
      const box = this.main.getBoundingClientRect();
      this.channels.point((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    });
    this.one.addEventListener("pointerleave", () => this.channels.point());
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target === this.root) this.whole();
      const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
      if (!moves[event.key] || event.target !== this.root || !this.channels.data) return;
      event.preventDefault();
      this.channels.move(...moves[event.key]);
    });
    this.channels.onpoint = (cell) => {
      shown(this.mark, Boolean(cell) && (this.items === 1 || this.enlarged === 0));
      if (!cell) return;
      const { h, w } = this.channels.data;
      this.mark.style.cssText =
        `top:${(cell[0] / h) * 100}%;left:${(cell[1] / w) * 100}%;height:${100 / h}%;width:${100 / w}%`;
    };
    shown(this.mark, false);
  }

  wipe() {
    const at = this.slider.value;
    this.before.style.clipPath = `inset(0 ${100 - at}% 0 0)`;
    this.divider.style.left = `${at}%`;
  }

  // `sources` has several entries for a batch; `before` is the source to compare with, or nothing; `names` are of both.
  show(sources, alt, before, names = []) {
    this.names.forEach((name, half) => put(name, names[half] || ""));
    for (const name of this.names) shown(name, Boolean(before) && Boolean(name.textContent));
    this.slider.setAttribute("aria-label", before ? `${names[0]} on the left, ${names[1]} on the right` : "before and after");
    this.batch = sources.length > 1;
    if (this.enlarged >= sources.length) this.enlarged = -1;
    const grid = this.batch && this.enlarged < 0 && !before;
    const source = sources[Math.max(0, this.enlarged)];
    shown(this.one, !grid && Boolean(source));
    shown(this.many, grid);
    for (const element of [this.before, this.divider, this.slider]) shown(element, Boolean(before));
    this.root.setAttribute("aria-label", `${alt}; arrow keys read the latents, Enter enlarges`);
    if (grid) return this.grid(sources, alt);
    if (source && this.main.getAttribute("src") !== source) this.main.src = source;
    this.main.alt = alt;
    this.main.classList.toggle("jl-back", this.batch);
    this.main.onclick = before ? null : this.batch ? () => this.enlarge(-1, sources, alt) : () => this.whole();
    this.main.title = before ? "" : this.batch ? "back to all pictures" : "enlarge";
    if (before && this.before.getAttribute("src") !== before) this.before.src = before;
    this.before.alt = before ? names[0] : "";
  }

  // A word on the picture itself; nothing where it is what one thinks.
  tell(text) {
    put(this.badge, text);
    shown(this.badge, Boolean(text));
    this.badge.title = text ? "previews take a fiftieth of the time at most; choose a step to have its picture made" : "";
  }

  // Shows the one picture in full.
  whole() {
    if (!this.one.hidden && this.main.getAttribute("src")) this.onwhole();
  }

  // What is shown as the address of a PNG, a grid as one picture; nothing where no picture is.
  png() {
    const pictures = (this.many.hidden ? [this.main] : [...this.many.querySelectorAll("img")]).filter((one) => one.naturalWidth);
    if (!pictures.length) return "";
    const columns = Math.ceil(Math.sqrt(pictures.length));
    const { naturalWidth: width, naturalHeight: height } = pictures[0];
    const sheet = make("canvas");
    sheet.width = columns * width;
    sheet.height = Math.ceil(pictures.length / columns) * height;
    const context = sheet.getContext("2d");
    pictures.forEach((picture, at) => context.drawImage(picture, (at % columns) * width, Math.floor(at / columns) * height));
    return sheet.toDataURL("image/png");
  }

  download(name) {
    const link = make("a");
    link.href = this.png();
    link.download = name;
    link.click();
  }

  enlarge(index, sources, alt) {
    this.enlarged = index;
    this.show(sources, alt);
  }

  grid(sources, alt) {
    const same = this.many.childElementCount === sources.length;
    if (same && sources.every((source, at) => this.many.children[at].firstChild.getAttribute("src") === source)) return;
    this.many.style.setProperty("--jl-columns", Math.ceil(Math.sqrt(sources.length)));
    this.many.replaceChildren(
      ...sources.map((source, index) => {
        const cell = button("", () => this.enlarge(index, sources, alt), `enlarge picture ${index + 1}`);
        const picture = make("img");
        picture.src = source;
        picture.alt = `${alt}, ${index + 1} of ${sources.length}`;
        cell.className = "jl-enlarge";
        cell.append(picture);
        return cell;
      }),
    );
  }
}
