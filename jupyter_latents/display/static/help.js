// What the keys and buttons do and what the words mean (`BUTTONS`, `WORDS`, `TERMS`): by the ? key or button, and as tooltips of the words themselves.

const TIPS = {
  latents: "latents",
  noise: "\u03c3",
  continues: "continues",
  guidance: "guidance",
  seed: "seed",
  schedule: "sampler, schedule",
};

const KEYS = [
  ["\u2190 \u2192 Home End", "on the bar: step by step, first and last"],
  ["\u2190 \u2191 \u2192 \u2193", "on the large picture: read the latents; in a grid, and in what is enlarged: from picture to picture"],
  ["Enter", "choose a picture; on the large one: enlarge it"],
  ["Escape", "leave what is enlarged, a menu, or this help"],
  ["?", "this help"],
];

class Help {
  constructor(home) {
    this.root = make("dialog", "jl-full jl-help");
    this.root.setAttribute("aria-label", "keys and words");
    const words = make("div", "jl-fullwords");
    words.append(make("b", "", "Keys and words"), make("span", "jl-space"), button("Close", () => this.root.close()));
    const parts = [["Keys", KEYS], ["Buttons", Object.entries(BUTTONS)], ["Words", Object.entries({ ...WORDS, ...TERMS })]];
    this.root.append(words, ...parts.map(([title, rows]) => this.list(title, rows)));
    keepKeys(this.root);
    home.append(this.root);
    home.addEventListener("keydown", (event) => {
      if (event.key !== "?" || event.target.tagName === "TEXTAREA" || event.target.type === "text") return;
      event.preventDefault();
      event.stopPropagation();
      this.open();
    });
  }

  list(title, rows) {
    const list = make("dl", "jl-words");
    list.setAttribute("aria-label", title);
    for (const [name, text] of rows) {
      const head = make("dt");
      head.append(make(rows === KEYS ? "kbd" : "b", "", name));
      list.append(head, make("dd", "", text));
    }
    return list;
  }

  open() {
    if (!this.root.open) this.root.showModal();
  }
}

// A sentence about what a word of the facts means; of the noise also about its form.
function tipOf(name, text) {
  const said = WORDS[TIPS[name]] || TERMS[TIPS[name]];
  const form = Object.keys(WORDS).find((word) => name === "noise" && String(text).includes(`(${word})`));
  return [said, form ? `${form}: ${WORDS[form]}` : ""].filter(Boolean).join("; ");
}
