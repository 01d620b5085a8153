/* page_slate.js: one slate and the answer to it, until it is sent. */

import { arrange, clock, load } from './page_images.js';
import { open_zoom } from './page_zoom.js';

const $ = (id) => document.getElementById(id);
const form = $('slate');
const double_click = 500; // ms in which the same choice again is a trembling hand, not a second thought
const narrowest = 140; // px of a column: its name and two signs
const room = { phone: 360, wide: 356 }; // px of the window for all but the columns: fixed, so that no turn is laid out unlike another

let slate = null;  // the server's state, or null
let ask = {};      // what is asked for
let cards = [];    // of each column: { card, input, images: [img], sources: [address] }
let choice;        // index, null for none of them, undefined before there is one
let chosen_at = -Infinity;
let judged;        // the choice that comparison and rating were given for
let ready = false; // the images are there
let locked = false; // sent, and not yet acknowledged
let on_change = () => {}, on_send = () => {};

/* --- the draft: what a reload must not lose ------------------------------------------------ */

const key = `answer:${location.pathname}`;
const signature = () => `${slate.step} ${slate.columns.map((column) => column.images.join()).join()}`;

function save_draft(sent = false) {
  try {
    sessionStorage.setItem(key, JSON.stringify({ slate: signature(), answer: answer(), none: choice === null, judged, sent }));
  } catch { /* no storage: a reload begins the turn anew */ }
}
function read_draft() {
  try {
    const draft = JSON.parse(sessionStorage.getItem(key));
    return draft && draft.slate === signature() ? draft : null;
  } catch {
    return null;
  }
}
export function forget_draft() {
  try { sessionStorage.removeItem(key); } catch { /* none */ }
}

/* --- the answer ----------------------------------------------------------------------------- */

const picked = (name) => form.querySelector(`input[name="${name}"]:checked`);
const compares = () => Boolean(ask.versus && slate.previous && choice !== null);
const rates = () => Boolean(ask.rating && choice !== null);
const complete = () => choice !== undefined && (!compares() || picked('versus') !== null);

/* What would be sent now. */
function answer() {
  const out = { step: slate.step };
  if (choice !== undefined) out.choice = choice;
  if (compares() && picked('versus')) out.versus = picked('versus').value;
  if (rates() && picked('rating')) out.rating = Number(picked('rating').value);
  if (ask.critique && $('critique-text').value.trim()) out.critique = $('critique-text').value;
  out.seconds = Math.round(100 * clock.seconds()) / 100;
  return out;
}

/* Whether there is anything that leaving the page would lose. */
export function unsent() {
  return slate !== null && (choice !== undefined || Boolean($('critique-text').value));
}

function hint() {
  if (locked) return '';
  if (!ready) return 'The images are on their way';
  if (choice === undefined) return 'Choose a column';
  if (!complete())
    return judged === undefined || judged === choice ? 'Compare it with your last choice' : 'Another column: compare it again';
  return 'Nothing is final before you press Send';
}

function refresh() {
  cards.forEach(({ card, input }, index) => {
    input.checked = choice === index;
    card.classList.toggle('chosen', choice === index);
  });
  const none = $('none');
  if (none) none.checked = choice === null;
  $('columns').disabled = !ready || locked;
  $('versus').disabled = locked || choice === undefined || choice === null;
  $('rating').disabled = locked || choice === undefined || choice === null;
  $('critique-text').disabled = !ready || locked;
  $('send').disabled = locked || !complete();
  $('send').textContent = locked ? 'Saving\u2026' : 'Send';
  $('hint').textContent = hint();
  const left = 1000 - $('critique-text').value.length;
  $('critique-left').hidden = left > 100;
  $('critique-left').textContent = `${left} characters left`;
}

function changed() {
  refresh();
  if (!ready) return;
  save_draft();
  on_change(answer());
}

/* A comparison or a rating of one column says nothing about another. */
function choose(next) {
  if (!ready || locked) return;
  if (next === choice) {
    if (performance.now() - chosen_at < double_click) return refresh();
    choice = undefined;
  } else {
    if (judged !== undefined && next !== judged) for (const name of ['versus', 'rating']) if (picked(name)) picked(name).checked = false;
    choice = next;
    chosen_at = performance.now();
  }
  changed();
}

function judge(input, was) {
  if (locked) return;
  if (was) input.checked = false;
  judged = picked('versus') || picked('rating') ? choice : undefined;
  changed();
}

/* --- building ------------------------------------------------------------------------------- */

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

const source = (id) => `image/${encodeURIComponent(id)}.png`;

function zoom_column(index, image = 0) {
  open_zoom({
    title: `Column ${index + 1}`, images: cards[index].sources, prompt: slate.columns[index].prompt, index: image,
    choose: !ready || locked || choice === index ? null
      : { label: `Choose column ${index + 1}`, act: () => { choose(index); cards[index].input.focus(); } },
  });
}

function make_column(column, index) {
  const card = $('column-template').content.firstElementChild.cloneNode(true);
  const input = card.querySelector('input'), name = `Column ${index + 1}`, many = column.images.length;
  input.value = index;
  input.setAttribute('aria-label', `${name}, ${many} image${many === 1 ? '' : 's'}`);
  if (index < 9) input.setAttribute('aria-keyshortcuts', index + 1);
  input.addEventListener('click', () => choose(index));
  card.querySelector('.name').textContent = name;
  const images = column.images.map((id, i) => {
    const image = element('img');
    image.alt = `${name}, image ${i + 1}`;
    image.draggable = false;
    return image;
  });
  card.querySelector('.images').append(...images);
  if (column.prompt) {
    const prompt = card.querySelector('.prompt');
    prompt.textContent = column.prompt;
    prompt.id = `prompt-${index}`;
    prompt.hidden = false;
    input.setAttribute('aria-describedby', prompt.id);
  }
  const magnify = card.querySelector('.magnify');
  magnify.setAttribute('aria-label', `Enlarge the images of column ${index + 1}`);
  magnify.title = 'Enlarge (z)';
  magnify.addEventListener('click', () => zoom_column(index));
  return { card, input, images, sources: column.images.map(source) };
}

function make_none() {
  const label = element('label', 'none'), input = element('input');
  input.type = 'radio';
  input.name = 'column';
  input.id = 'none';
  input.setAttribute('aria-keyshortcuts', '0');
  input.addEventListener('click', () => choose(null));
  label.append(input, element('span', '', 'None of these'));
  return label;
}

function make_rating() {
  for (let value = 1; value <= 10; value++) {
    const label = element('label'), input = element('input');
    input.type = 'radio';
    input.name = 'rating';
    input.value = value;
    if (value === 1) input.setAttribute('aria-label', '1, not at all');
    if (value === 10) input.setAttribute('aria-label', '10, very much');
    label.append(input, element('span', '', value));
    $('rating').querySelector('.scale').append(label);
  }
}

function show_previous(ids) {
  $('previous-images').replaceChildren(...ids.map((id) => {
    const image = element('img');
    image.alt = '';
    load(image, source(id));
    return image;
  }));
  $('previous-images').classList.toggle('many', ids.length > 4);
  $('previous').setAttribute('aria-label', `Enlarge your last choice, ${ids.length} images`);
}

/* The columns as large as the window lets them be, all of them in view where that is possible. */
function lay_out() {
  if (!slate || form.hidden) return;
  const box = $('columns'), style = getComputedStyle(box), { clientWidth, clientHeight } = document.documentElement;
  const size = (name) => parseFloat(style.getPropertyValue(name));
  const gap = { outer: parseFloat(style.columnGap), inner: size('--inner-gap') };
  const prompts = slate.columns.some((column) => column.prompt) ? 72 : 0;
  const spare = { width: 2 * size('--pad'), height: size('--head') + size('--pad') + prompts };
  const phone = clientWidth < 640, most_images = Math.max(...slate.columns.map((column) => column.images.length));
  const height = Math.max(clientHeight - (phone ? room.phone : room.wide) - (ask.none ? 56 : 0), 160);
  const { side, outer, inner } = arrange(cards.length, most_images, box.clientWidth, height, spare, gap, narrowest, phone ? 64 : 76);
  box.style.setProperty('--side', `${Math.min(side, 420)}px`);
  box.style.setProperty('--outer', outer);
  box.style.setProperty('--inner', inner);
}
addEventListener('resize', lay_out);

async function fetch_images() {
  const mine = slate;
  $('missing').hidden = true;
  const wanted = cards.flatMap((column) => column.images.map((image, i) => ({ image, source: column.sources[i] })))
    .filter(({ image }) => !image.complete || !image.naturalWidth);
  const came = await Promise.all(wanted.map(({ image, source: address }) => load(image, address)));
  if (slate !== mine) return false;
  const lost = came.filter((ok) => !ok).length;
  $('missing').hidden = lost === 0;
  $('missing').firstElementChild.textContent = lost === 1 ? 'One image could not be loaded.' : `${lost} images could not be loaded.`;
  return true;
}

function fill(draft) {
  const given = draft ? draft.answer : {};
  choice = draft && draft.none ? null : Number.isInteger(given.choice) && given.choice < cards.length ? given.choice : undefined;
  judged = draft && choice !== undefined ? draft.judged : undefined;
  for (const input of form.querySelectorAll('input[name="versus"], input[name="rating"]'))
    input.checked = choice !== undefined && String(given[input.name]) === input.value;
  $('critique-text').value = given.critique || '';
}

function write_lead() {
  const checks = Boolean(slate.instruction);
  $('question').textContent = checks ? slate.instruction : 'Which column do you prefer?';
  $('task-text').textContent = slate.task || '';
  $('task').hidden = checks || !slate.task;
  $('remark').hidden = !checks && !slate.again;
  $('remark').textContent = checks ? 'Nothing else is asked for here.'
    : slate.again ? 'You have seen these before. Choose as you feel now.' : '';
}

/* Shows a slate state. `change(answer)` hears of what is not sent yet, `send(answer)` is asked to send. */
export async function show_slate(state, { change, send }) {
  slate = state;
  on_change = change;
  on_send = send;
  ready = locked = false;
  const only_choice = Boolean(state.instruction) || Boolean(state.again);
  ask = { ...(only_choice ? { none: state.ask && state.ask.none } : state.ask) };
  cards = state.columns.map(make_column);
  $('columns').replaceChildren(...cards.map(({ card }) => card), ...(ask.none ? [make_none()] : []));
  write_lead();
  $('versus').hidden = !(ask.versus && state.previous);
  $('rating').hidden = !ask.rating;
  $('critique').hidden = !ask.critique;
  $('help-none').hidden = !ask.none;
  form.dataset.asks = ['versus', 'rating', 'critique'].filter((id) => !$(id).hidden).join(' ');
  form.dataset.kind = state.instruction ? 'attention' : state.again ? 'again' : 'turn';
  form.dataset.ready = 'false';
  if (!$('versus').hidden) show_previous(state.previous);
  const draft = read_draft(), last = Math.min(9, cards.length);
  const compare = $('versus').hidden ? '' : 'b s w compare, ';
  $('keys').textContent = `Keys: 1 to ${last} choose, ${compare}z enlarges, Enter sends, ? for all`;
  fill(draft);
  refresh();
  form.hidden = false;
  lay_out();
  if (!await fetch_images()) return;
  ready = true;
  form.dataset.ready = 'true';
  clock.start(draft ? draft.answer.seconds : 0);
  refresh();
  if (draft && draft.sent && complete()) submit(); // it was sent when the page went away
}

export function hide_slate() {
  clock.stop();
  slate = null;
  form.hidden = true;
}

function submit() {
  if (!slate || locked || !ready || !complete()) return;
  const final = answer();
  locked = true;
  save_draft(true);
  refresh();
  on_send(final);
}

/* The answer was not taken: it can be changed and sent again. */
export function unlock() {
  locked = false;
  save_draft();
  refresh();
}

/* --- events --------------------------------------------------------------------------------- */

make_rating();
form.addEventListener('submit', (event) => { event.preventDefault(); submit(); });
for (const name of ['versus', 'rating']) {
  let before = null, at = -Infinity; // what was checked when pointer or key went down, so that the same again takes it back
  const group = $(name);
  const remember = () => { before = picked(name); };
  group.addEventListener('pointerdown', remember);
  group.addEventListener('keydown', remember);
  group.addEventListener('click', (event) => {
    if (event.target.name !== name) return;
    const again = event.target === before;
    if (again && performance.now() - at < double_click) return;
    at = performance.now();
    judge(event.target, again);
  });
}
let pause = 0;
$('critique-text').addEventListener('input', () => {
  refresh();
  save_draft();
  clearTimeout(pause);
  pause = setTimeout(() => { if (slate && !locked) changed(); }, 1000);
});
$('previous').addEventListener('click', () => {
  open_zoom({ title: 'Your last choice', images: slate.previous.map(source), index: 0, choose: null });
});
$('missing-retry').addEventListener('click', fetch_images);
addEventListener('pagehide', () => { if (unsent()) save_draft(locked); });

function zoom_by_key() {
  const hovered = cards.map(({ images }) => images.findIndex((image) => image.matches(':hover'))), under = hovered.findIndex((i) => i >= 0);
  if (under >= 0) return zoom_column(under, hovered[under]);
  const focused = cards.findIndex(({ card }) => card.contains(document.activeElement));
  if ($('previous') === document.activeElement) return $('previous').click();
  return zoom_column(focused >= 0 ? focused : choice || 0);
}

/* A key that was pressed outside of what takes text. Returns whether it meant anything. */
export function slate_key(event, single) {
  if (!slate) return false;
  const { key: pressed, repeat } = event;
  const number = /^[0-9]$/.test(pressed) ? Number(pressed) : -1;
  if (pressed === 'Escape') {
    if (choice === undefined || locked) return false;
    chosen_at = -Infinity;
    choose(choice);
  } else if (pressed === 'Enter') {
    submit();
  } else if (!single || repeat) {
    return false;
  } else if (number > 0 && number <= cards.length) {
    choose(number - 1);
    cards[number - 1].input.focus();
  } else if (number === 0 && ask.none) {
    choose(null);
    $('none').focus();
  } else if ('bsw'.includes(pressed) && compares() && !$('versus').disabled) {
    const input = form.querySelector(`input[value="${{ b: 'better', s: 'same', w: 'worse' }[pressed]}"]`), was = input.checked;
    input.checked = true;
    judge(input, was);
  } else if (pressed === 'z') {
    zoom_by_key();
  } else {
    return false;
  }
  return true;
}

export const submit_slate = submit;
