// Names and states that ipywidgets does not give: which field is wrong, which stage is chosen, what a handle moves.

let count = 0; // of lines with what is wrong, which have no names of their own

function reach(el) {
  const panel = el.closest(".dgp-panel");
  if (!panel) return () => {};
  const set = (node, name, value) => node.getAttribute(name) !== value && node.setAttribute(name, value);
  const look = () => {
    for (const field of panel.querySelectorAll(".dgp-field")) {
      const wrong = String(field.querySelector(".dgp-bad") !== null);
      const label = field.querySelector(".widget-label")?.textContent || "";
      const said = [...field.querySelectorAll(".dgp-said")].map((one) => (one.id ||= `dgp-said-${++count}`)).join(" ");
      for (const input of field.querySelectorAll("input, textarea, select, .noUi-handle")) {
        set(input, "aria-invalid", wrong);
        set(input, "aria-describedby", said);
      }
      field.querySelectorAll(".noUi-handle").forEach((handle, index) => set(handle, "aria-label", `${label}, ${index ? "end" : "start"}`));
    }
    for (const stage of panel.querySelectorAll(".dgp-do-stage")) {
      set(stage, "aria-pressed", String(stage.classList.contains("dgp-chosen")));
    }
    for (const name of ["text", "more"]) {
      const opener = panel.querySelector(`.dgp-do-${name}`);
      const part = panel.querySelector(`.dgp-part-${name}`);
      if (opener && part) set(opener, "aria-expanded", String(!part.classList.contains("dgp-shut")));
    }
    for (const section of panel.querySelectorAll(".dgp-section")) {
      set(section, "role", "group");
      set(section, "aria-label", section.querySelector(".dgp-h")?.textContent || "");
    }
    set(panel, "role", "region");
    set(panel, "aria-label", "panel of diffusion stages");
  };
  const watcher = new MutationObserver(look);
  watcher.observe(panel, { subtree: true, childList: true, attributes: true, attributeFilter: ["class"] });
  look();
  return () => watcher.disconnect();
}
