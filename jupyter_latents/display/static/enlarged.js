// A picture over all else, as large as the window lets it be; Escape, a click or the button ends it, and arrows and
// buttons lead to those beside it.

const SHARP = 2; // a picture among others is drawn at so many times its own pixels at most
const LARGEST = 4; // and one over all else

class Enlarged {
  // `move` shows the picture before (-1) or after (1) the present one.
  constructor(home, move) {
    this.root = make("dialog", "jl-full");
    this.root.setAttribute("aria-label", "enlarged picture");
    this.image = make("img");
    this.image.addEventListener("load", () => this.image.style.setProperty("--jl-most", `${LARGEST * this.image.naturalWidth}px`));
    this.words = make("div", "jl-fullwords");
    this.caption = make("span");
    this.caption.setAttribute("role", "status");
    this.count = make("span", "jl-count");
    this.ways = [button("\u2039", () => this.go(-1), "previous picture"), button("\u203a", () => this.go(1), "next picture")];
    const close = button("Close", () => this.root.close());
    close.autofocus = true;
    this.words.append(this.caption, make("span", "jl-space"), this.count, ...this.ways, close);
    this.root.append(this.image, this.words);
    keepKeys(this.root);
    const stays = [this.caption, this.count, ...this.ways];
    this.root.addEventListener("click", (event) => stays.includes(event.target) || this.root.close());
    this.root.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation();
      this.go(by);
    });
    this.move = move;
    home.append(this.root);
  }

  // `made` tells where the page holds a smaller copy than was made; `at` and `of` where it stands among how many.
  open(source, caption, made, at = 0, of = 1) {
    this.image.src = source;
    this.image.alt = caption;
    put(this.caption, made ? `${caption}, shown at${made.slice(1)}` : caption);
    put(this.count, of > 1 ? `${at + 1} of ${of}` : "");
    this.can = { "-1": at > 0, 1: at < of - 1 };
    this.ways.forEach((way, place) => {
      shown(way, of > 1);
      way.setAttribute("aria-disabled", String(!this.can[place ? 1 : -1])); // a button that is disabled loses the focus
    });
    if (!this.root.open) this.root.showModal();
  }

  go(by) {
    if (this.can[by]) this.move(by);
  }

  replace(source) {
    if (this.root.open) this.image.src = source;
  }
}
