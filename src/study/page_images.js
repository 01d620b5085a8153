/* page_images.js: images that arrive, how they are laid out, and how long they were looked at. */

const attempts = 4;

function load_once(image, source) {
  return new Promise((resolve, reject) => {
    image.onload = resolve;
    image.onerror = reject;
    image.src = source;
  });
}

/* Resolves to whether the image came, after a few attempts. */
export async function load(image, source) {
  for (let n = 0; n < attempts; n++) {
    if (n > 0) {
      await new Promise((resolve) => setTimeout(resolve, 400 * 2 ** n));
      image.removeAttribute('src'); // the same address again would not be asked for
    }
    try {
      await load_once(image, source);
      await image.decode().catch(() => {});
      image.classList.remove('failed');
      return true;
    } catch { /* once more */ }
  }
  image.classList.add('failed');
  return false;
}

/* Seconds for which the page was visible since start(). */
export const clock = {
  before: 0, since: null,
  start(already) { this.before = already; this.since = document.hidden ? null : performance.now(); this.running = true; },
  stop() { this.before = this.seconds(); this.since = null; this.running = false; },
  seconds() { return this.before + (this.since === null ? 0 : (performance.now() - this.since) / 1000); },
};
document.addEventListener('visibilitychange', () => {
  if (!clock.running) return;
  clock.before = clock.seconds();
  clock.since = document.hidden ? null : performance.now();
});

/* The largest square that lets `count` groups of `images` each stand in width x height: { side, outer groups a row, inner images a row }.
 * `spare` is what a group needs beside its images, { width, height }, and no group is narrower than `narrowest`; gaps { outer, inner }. */
function fit(count, images, width, height, spare, gap, narrowest) {
  let best = { side: 0 };
  for (let outer = 1; outer <= count; outer++) {
    const share = (width - (outer - 1) * gap.outer) / outer;
    if (outer > 1 && share < narrowest) break;
    const rows = Math.ceil(count / outer);
    for (let inner = 1; inner <= images; inner++) {
      const lines = Math.ceil(images / inner);
      const wide = (share - spare.width - (inner - 1) * gap.inner) / inner;
      const high = ((height - (rows - 1) * gap.outer) / rows - spare.height - (lines - 1) * gap.inner) / lines;
      const side = Math.floor(Math.min(wide, high));
      const worth = side * (rows === 1 ? 1.1 : 1) * (rows * outer === count && lines * inner === images ? 1.1 : 1);
      if (worth > (best.worth || 0)) best = { side, outer, inner, worth };
    }
  }
  return best;
}

/* The same, and where that makes images smaller than `least`, as much higher as need be. */
export function arrange(count, images, width, height, spare, gap, narrowest, least) {
  for (;; height *= 1.15) {
    const found = fit(count, images, width, height, spare, gap, narrowest);
    if (found.side >= Math.min(least, width - spare.width) || height > 100000) return found;
  }
}
