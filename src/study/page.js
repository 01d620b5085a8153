/* page.js: what the rater sees when. The server's state says what to show; the page keeps nothing of its own but an answer that is not
 * sent yet. Whatever comes from the server is put in as text, never as markup. */

import { Refused, once, until_answered } from './page_net.js';
import { forget_draft, hide_slate, show_slate, slate_key, submit_slate, unlock, unsent } from './page_slate.js';

const $ = (id) => document.getElementById(id);
const name_of_study = document.title;
let shown = '';   // phase and step on display
let turn = 0;     // counts what was shown, so that what is late is dropped
let sending = false;

/* --- saying things -------------------------------------------------------------------------- */

function notice(text, kind = 'info') {
  $('notice').textContent = text;
  $('notice').className = kind;
  $('notice').hidden = !text;
}

function parts(sessions) {
  return sessions && sessions.of > 1 ? sessions : null;
}

function show_progress(progress) {
  $('progress').hidden = !progress;
  if (!progress) return;
  $('turn').textContent = `Turn ${progress.turn} of ${progress.of}`;
  $('bar').firstElementChild.style.width = `${100 * progress.turn / progress.of}%`;
}

function paragraphs(text) {
  return text.split(/\n\s*\n/).map((block) => block.trim()).filter(Boolean).map((block) => {
    const p = document.createElement('p');
    p.textContent = block;
    return p;
  });
}

/* --- phases --------------------------------------------------------------------------------- */

const phases = {
  consent(state) {
    $('consent-text').replaceChildren(...paragraphs(state.text || ''));
    const several = parts(state.sessions);
    $('consent-sessions').textContent = several ? `There are ${several.of} parts. You can pause between them.` : '';
    $('consent-agree').disabled = false;
    return 'Before you begin';
  },
  between(state) {
    $('between-title').textContent = `Part ${state.sessions.done} of ${state.sessions.of} is done`;
    $('between-start').disabled = false;
    return 'A part is done';
  },
  preparing(state) {
    $('preparing-text').textContent = 'The page goes on by itself.';
    count_seconds();
    return state.progress ? `Turn ${state.progress.turn} of ${state.progress.of}: making images` : 'Making images';
  },
  trouble() { return 'Trying again'; },
  slate(state) {
    show_slate(state, { change: send_draft, send: send_answer });
    const where = state.progress ? `Turn ${state.progress.turn} of ${state.progress.of}: ` : '';
    return where + (state.instruction ? 'follow the instruction' : 'choose a column');
  },
  done(state) {
    $('done-text').textContent = state.text || '';
    $('done-text').hidden = !state.text;
    return 'Done';
  },
  closed() { return 'Closed'; },
  broken(state) {
    $('broken-title').textContent = state.title;
    $('broken-text').textContent = state.text;
    return state.title;
  },
};

/* Says for how long images have been made, once that is worth saying. */
function count_seconds() {
  const mine = turn, begun = performance.now();
  const timer = setInterval(() => {
    if (turn !== mine) return clearInterval(timer);
    const seconds = Math.round((performance.now() - begun) / 1000);
    if (seconds >= 10) $('preparing-text').textContent = `The page goes on by itself. ${seconds} seconds so far.`;
  }, 5000);
}

const identity = (state) => `${state.phase} ${state.step === undefined ? '' : state.step}`;

function show(state, remark = '') {
  if (!phases[state.phase])
    state = { phase: 'broken', title: 'This page is out of date', text: 'The server says something that it does not know.' };
  const same = identity(state) === shown;
  notice(remark, 'info');
  if (!same) {
    turn++;
    shown = identity(state);
    hide_slate();
    document.querySelectorAll('dialog[open]').forEach((dialog) => dialog.close());
    for (const section of document.querySelectorAll('.phase')) section.hidden = section.dataset.phase !== state.phase;
    show_progress(state.progress);
    $('help-open').hidden = state.phase !== 'slate';
    const title = phases[state.phase](state);
    document.body.dataset.phase = state.phase;
    document.body.dataset.step = state.step === undefined ? '' : state.step;
    document.title = `${title} \u2013 ${name_of_study}`;
    $('announcement').textContent = title;
    scrollTo(0, 0);
    const heading = document.querySelector(`.phase[data-phase="${state.phase}"] h1`);
    if (heading) heading.focus({ preventScroll: true });
  }
  if (state.phase === 'preparing' || state.phase === 'trouble') follow();
}

function show_refusal(error) {
  if (error.status === 404)
    show({ phase: 'broken', title: 'This link does not work',
      text: 'Please check that the whole link was copied, or ask whoever gave it to you.' });
  else
    show({ phase: 'broken', title: 'Something went wrong', text: `${error.message}.` });
}

/* --- asking the server ---------------------------------------------------------------------- */

const no_connection = () => notice('No connection. Trying again\u2026', 'warning');

async function load_state() {
  const mine = turn;
  try {
    const state = await until_answered('state', undefined, { failed: no_connection, wanted: () => turn === mine });
    if (state && turn === mine) show(state);
  } catch (error) {
    show_refusal(error);
  }
}

/* Asks until there is something else to show than waiting. */
async function follow() {
  const mine = turn;
  for (let pause = 300; ; pause = Math.min(1.5 * pause, 5000)) {
    try {
      const begun = performance.now();
      const state = await until_answered('state?wait=1', undefined, { timeout: 40000, failed: no_connection, wanted: () => turn === mine });
      if (turn !== mine) return;
      if (identity(state) !== shown) return show(state);
      notice('');
      if (performance.now() - begun > 5000) pause = 300; // the reply did wait
    } catch (error) {
      return show_refusal(error);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (turn !== mine) return;
  }
}

async function start(button) {
  button.disabled = true;
  try {
    const failed = () => notice('No connection. Trying again\u2026', 'warning');
    show(await until_answered('start', { consent: true }, { failed }));
  } catch (error) {
    if (error instanceof Refused && error.status === 409 && error.body.phase) show(error.body);
    else show_refusal(error);
  }
}

/* Drafts are a courtesy to the server: one at a time, the latest only, and never asked for twice. */
let draft = null, drafting = false;
async function send_draft(answer) {
  const { seconds, ...rest } = answer;
  draft = 'choice' in rest ? rest : null;
  if (drafting) return;
  drafting = true;
  await new Promise((resolve) => setTimeout(resolve, 250));
  while (draft && !sending) {
    const next = draft;
    draft = null;
    await once('draft', next).catch(() => {});
  }
  drafting = false;
}

/* The answer goes out until it is acknowledged: saved, or known to be there already. */
async function send_answer(answer) {
  if (sending) return;
  sending = true;
  draft = null;
  notice('');
  try {
    const state = await until_answered('answer', answer, { failed: () => notice('Not saved yet. Trying again\u2026', 'warning') });
    forget_draft();
    sending = false;
    show(state);
  } catch (error) {
    sending = false;
    if (error.status === 409 && error.body.phase) {
      forget_draft();
      shown = '';
      show(error.body, 'That turn was answered already, perhaps in another tab. You are here now.');
    } else if (error.status === 404 || error.status === 403) {
      show_refusal(error);
    } else {
      unlock();
      notice(`The answer was not taken: ${error.message}.`, 'warning');
    }
  }
}

/* Another tab may have gone on in the meantime. */
async function look_again() {
  if (sending || document.hidden || !shown || shown.startsWith('broken')) return;
  const mine = turn;
  const state = await once('state').catch(() => null);
  if (state && turn === mine && !sending && identity(state) !== shown)
    show(state, state.phase === 'slate' ? 'You went on in another tab. You are here now.' : '');
}

/* --- events --------------------------------------------------------------------------------- */

$('consent-agree').addEventListener('click', (event) => start(event.currentTarget));
$('between-start').addEventListener('click', (event) => start(event.currentTarget));
$('broken-reload').addEventListener('click', () => location.reload());
$('help-open').addEventListener('click', () => $('help').showModal());
$('help-close').addEventListener('click', () => $('help').close());
$('help').addEventListener('click', (event) => { if (event.target === $('help')) $('help').close(); });

const key_setting = 'single-keys';
try { $('help-keys').checked = localStorage.getItem(key_setting) !== 'off'; } catch { /* on */ }
const tell_keys = () => document.body.classList.toggle('no-keys', !$('help-keys').checked);
$('help-keys').addEventListener('change', () => {
  try { localStorage.setItem(key_setting, $('help-keys').checked ? 'on' : 'off'); } catch { /* for this page only */ }
  tell_keys();
});
tell_keys();

document.addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.altKey || event.isComposing || document.querySelector('dialog[open]')) return;
  const writing = event.target.matches('textarea');
  if ((event.ctrlKey || event.metaKey) && event.key === 'Enter') submit_slate();
  else if (event.ctrlKey || event.metaKey || writing) return;
  else if (event.key === 'Enter' && event.target.closest('button')) return;
  else if (event.key === '?' && $('help-keys').checked && !$('help-open').hidden) $('help').showModal();
  else if (!slate_key(event, $('help-keys').checked)) return;
  event.preventDefault();
});

addEventListener('beforeunload', (event) => { if (sending || unsent()) event.preventDefault(); });
addEventListener('pageshow', (event) => { if (event.persisted) look_again(); });
document.addEventListener('visibilitychange', look_again);

load_state();
