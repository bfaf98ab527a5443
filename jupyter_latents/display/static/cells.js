// The cells that lead back from what is shown: the kernel writes them where there is one, else the page holds them.

// Of a page without a kernel: the cell of a step, or of all pictures of the sweep; empty where it is not held.
function heldCell({ cells }, which) {
  const numbers = cells && (which === "whole" ? cells.whole : cells.of[which]);
  return numbers ? numbers.map((number) => cells.lines[number]).join("\n") : "";
}

// Copies a text; whether it could be. Pages that came without encryption have no clipboard of their own.
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

function copySelected(text) {
  const area = make("textarea");
  const focused = document.activeElement;
  area.value = text;
  area.style.cssText = "position:fixed;opacity:0";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}

// Whether the first words of a view are about a sweep, whose pictures one cell makes.
function isSwept(view) {
  return !view.grid.root.hidden && (view.port ? view.state.sweeps.length > 0 : Boolean(heldCell(view.state, "whole")));
}

function buildCellButtons(view) {
  const ask = (fresh) => () => view.askForCell(isSwept(view), fresh);
  view.copyCell = button("Copy cell", ask(false));
  view.newCell = button("New cell", ask(true));
  view.newCell.title = "puts that cell below this one";
  return [view.copyCell, view.newCell];
}

// There is nothing to lead back to before the first step, and while a run goes on its cell stands above.
function drawCellButtons(view) {
  const { state, port } = view;
  const still = !["queued", "running", "stopping"].includes(state.state) && state.points.length > 0;
  const held = Boolean(heldCell(state, isSwept(view) ? "whole" : view.at()));
  shown(view.copyCell, port ? still : held);
  shown(view.newCell, Boolean(port && port.inserts) && still);
  view.copyCell.title = isSwept(view) ? "copies the cell that makes all of these pictures" : "copies the cell that makes this step";
}
