// A slider types into the field beside it, as a person would: what is typed is all that goes to the kernel.

function render({ model, el }) {
  const slider = document.createElement("input");
  slider.type = "range";
  [slider.min, slider.max, slider.step] = model.get("span");
  slider.setAttribute("aria-label", model.get("label"));
  // The field stands in the same row, and may be drawn later than this.
  const field = () => el.closest(".dgp-row")?.querySelector("input[type=text]");
  const stand = (at, given) => {
    slider.value = at;
    slider.classList.toggle("dgp-unset", !given); // the field is empty: nothing is set yet
    slider.style.setProperty("--dgp-at", (slider.value - slider.min) / (slider.max - slider.min));
  };
  const typed = (event) => {
    if (event.target !== field()) return;
    const number = Number.parseFloat(field().value);
    stand(Number.isFinite(number) ? number : model.get("at"), field().value.trim() !== "");
  };
  const told = () => {
    stand(model.get("at"), model.get("given"));
    slider.disabled = !model.get("on");
  };
  slider.addEventListener("input", () => {
    const into = field();
    if (!into) return;
    into.value = String(Number(slider.value));
    into.dispatchEvent(new Event("input", { bubbles: true }));
  });
  slider.addEventListener("keydown", (event) => event.stopPropagation()); // the notebook's own keys
  document.addEventListener("input", typed, true);
  const traits = "change:at change:given change:on";
  model.on(traits, told);
  told();
  el.append(slider);
  return () => {
    document.removeEventListener("input", typed, true);
    model.off(traits, told);
  };
}

export default { render };
