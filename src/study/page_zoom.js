/* page_zoom.js: the dialog that shows an image large, and the others of its column. */

const $ = (id) => document.getElementById(id);
const dialog = $('zoom');
let shown = null; // { title, images: [address], prompt, index, choose: { label, act } or null }

function draw() {
  const { images, index } = shown;
  $('zoom-image').src = images[index];
  $('zoom-image').alt = `${shown.title}, image ${index + 1}`;
  $('zoom-count').textContent = `Image ${index + 1} of ${images.length}`;
}

function step(by) {
  shown.index = (shown.index + by + shown.images.length) % shown.images.length;
  draw();
}

/* `view` as above. Escape or a click beside the image closes, and the focus goes back to where it was. */
export function open_zoom(view) {
  if (dialog.open) return;
  shown = view;
  $('zoom-title').textContent = view.title;
  $('zoom-prompt').textContent = view.prompt || '';
  $('zoom-prompt').hidden = !view.prompt;
  $('zoom-choose').textContent = view.choose ? view.choose.label : '';
  $('zoom-choose').hidden = !view.choose;
  $('zoom-back').hidden = $('zoom-on').hidden = view.images.length < 2;
  draw();
  dialog.showModal();
  $(view.images.length < 2 ? 'zoom-close' : 'zoom-on').focus();
}

const most = 8; // times its own size: beyond that a small image is only a blur
$('zoom-image').addEventListener('load', (event) => {
  const { naturalWidth, naturalHeight, style } = event.target;
  style.setProperty('--most', `${most * Math.max(naturalWidth, naturalHeight)}px`);
});
$('zoom-close').addEventListener('click', () => dialog.close());
$('zoom-back').addEventListener('click', () => step(-1));
$('zoom-on').addEventListener('click', () => step(1));
$('zoom-choose').addEventListener('click', () => { dialog.close(); shown.choose.act(); });
dialog.addEventListener('click', (event) => {
  if (event.target === dialog || event.target === $('zoom-stage')) dialog.close();
});
dialog.addEventListener('keydown', (event) => {
  if (event.key === 'ArrowLeft') step(-1);
  else if (event.key === 'ArrowRight') step(1);
  else return;
  event.preventDefault();
});

let touch = null; // where a finger came down
$('zoom-stage').addEventListener('pointerdown', (event) => { touch = event.pointerType === 'mouse' ? null : event.clientX; });
$('zoom-stage').addEventListener('pointerup', (event) => {
  if (touch === null) return;
  const moved = event.clientX - touch;
  touch = null;
  if (Math.abs(moved) > 40) step(moved < 0 ? 1 : -1);
});
