// A slider types into the field beside it, as a person would: what is typed is all that goes to the kernel.

function render({ model, el }) {
  const slider = document.createElement("input");
  slider.type = "range";
  [slider.min, slider.max, slider.step] = model.get("span");
  slider.setAttribute("aria-label", model.get("label"));
  // The field stands in the same row, and may be drawn later than this.
  const field = () => el.closest(".dgp-row")?.querySelector("input[type=text]");
  const follow = () => {
    const typed = Number.parseFloat(field()?.value);
    slider.value = Number.isFinite(typed) ? typed : model.get("at");
  };
  slider.addEventListener("input", () => {
    const into = field();
    if (!into) return;
    into.value = String(Number(slider.value));
    into.dispatchEvent(new Event("input", { bubbles: true }));
  });
  slider.addEventListener("keydown", (event) => event.stopPropagation()); // the notebook's own keys
  const typed = (event) => event.target === field() && follow();
  const moved = () => { slider.value = model.get("at"); };
  document.addEventListener("input", typed, true);
  model.on("change:at", moved);
  moved();
  el.append(slider);
  return () => {
    document.removeEventListener("input", typed, true);
    model.off("change:at", moved);
  };
}

export default { render };
