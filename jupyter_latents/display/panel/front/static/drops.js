// Files dropped on the panel, or on a field of it, go to the kernel; nothing is drawn.

function render({ model, el }) {
  let marked = null;
  const mark = (place) => {
    if (marked !== place && marked) marked.classList.remove("dgp-over");
    if (place) place.classList.add("dgp-over");
    marked = place;
  };
  const placeOf = (event) => {
    const panel = el.closest(".dgp-panel");
    if (!panel || !(event.target instanceof Element) || !panel.contains(event.target)) return null;
    return event.dataTransfer.types.includes("Files") ? event.target.closest(".dgp-drop") || panel : null;
  };
  const over = (event) => {
    const place = placeOf(event);
    mark(place);
    if (place) event.preventDefault(); // else the browser opens the file
  };
  const drop = (event) => {
    const place = placeOf(event);
    mark(null);
    if (!place) return;
    event.preventDefault();
    event.stopPropagation();
    const file = event.dataTransfer.files[0];
    const named = [...place.classList].find((one) => one.startsWith("dgp-drop-"));
    const field = named ? named.slice("dgp-drop-".length) : "panel";
    file.arrayBuffer().then((content) => model.send({ field, file: file.name }, undefined, [content]));
  };
  document.addEventListener("dragover", over, true);
  document.addEventListener("drop", drop, true);
  return () => {
    document.removeEventListener("dragover", over, true);
    document.removeEventListener("drop", drop, true);
  };
}

export default { render };
