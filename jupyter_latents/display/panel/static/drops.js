// Files dropped on a field of the panel go to the kernel; nothing is drawn.

function render({ model, el }) {
  let marked = null;
  const mark = (field) => {
    if (marked !== field && marked) marked.classList.remove("dgp-over");
    if (field) field.classList.add("dgp-over");
    marked = field;
  };
  const fieldOf = (event) => {
    const field = event.target instanceof Element ? event.target.closest(".dgp-drop") : null;
    const panel = el.closest(".dgp-panel");
    return field && panel && panel.contains(field) && event.dataTransfer.types.includes("Files") ? field : null;
  };
  const over = (event) => {
    const field = fieldOf(event);
    mark(field);
    if (field) event.preventDefault(); // else the browser opens the file
  };
  const drop = (event) => {
    const field = fieldOf(event);
    mark(null);
    if (!field) return;
    event.preventDefault();
    event.stopPropagation();
    const file = event.dataTransfer.files[0];
    const name = [...field.classList].find((one) => one.startsWith("dgp-drop-")).slice("dgp-drop-".length);
    file.arrayBuffer().then((content) => model.send({ field: name, file: file.name }, undefined, [content]));
  };
  document.addEventListener("dragover", over, true);
  document.addEventListener("drop", drop, true);
  return () => {
    document.removeEventListener("dragover", over, true);
    document.removeEventListener("drop", drop, true);
  };
}

export default { render };
