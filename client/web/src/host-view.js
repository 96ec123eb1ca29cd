/**
 * The host's view: every clock, every command, share links and the activity log.
 *
 * @module
 */

import { ActivityLog } from './activity-log.js';
import { adjustTarget } from './adjustments.js';
import { AppointmentForm } from './appointment-form.js';
import { confirm } from './confirm.js';
import { newId } from './device.js';
import { belongsToFocus, el, setData, setText, shortcutOf } from './dom.js';
import { errorText } from './event-text.js';
import { HostCard, SESSION, actionButton } from './host-card.js';
import { JoinForm } from './join-form.js';
import { MessageForm } from './message-form.js';
import { detailOf, inOrderOfEnds, ordinal, raceLeader, raceResults, useOf } from './own-clocks.js';
import { editParticipant } from './participant-dialog.js';
import { ParticipantList } from './participant-list.js';
import { changeArgs, joinArgs } from './participation.js';
import { hostAction, isFinished, wordsOf } from './primary-action.js';
import { RaceResults } from './race-results.js';
import { ShareLinks } from './share-links.js';

/** @import { ClockFace, CommandName } from '../../js/src/index.js' */
/** @import { SessionState } from '../../js/src/types.js' */
/** @import { SessionScreen } from './session-screen.js' */

/** @import { Button } from './host-card.js' */
/** @import { ParticipantFields } from './participant-dialog.js' */

const MIN_PARTICIPANTS_FOR_SEARCH = 13;
const ADJUSTMENTS_S = [10, 30, 60, 300];

const SHORTCUTS = [
  ['Space', 'Start, pass turn, resume'],
  ['P', 'Pause, resume'],
  ['U', 'Undo the last switch'],
  ['+  −', 'Add or remove time'],
  ['/', 'Search'],
];

export class HostView {
  #screen;
  #links;
  #log;
  /** @type {SessionState | null} */
  #state = null;
  #session = this.#card(SESSION);
  /** @type {ParticipantList<HostCard>} */
  #list = new ParticipantList((id) => this.#participantCard(id));
  #results = new RaceResults();
  /** What the cards of a race's finishers say. @type {Map<string, string>} */
  #places = new Map();
  #progress = el('p', { className: 'progress', hidden: true });
  #search = el('input', {
    type: 'search',
    placeholder: 'Search participants',
    'aria-label': 'Search participants',
    hidden: true,
    oninput: () => this.#updateList(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => this.#onSearchKey(event),
  });
  #noMatch = el('p', { className: 'hint', hidden: true }, 'No participant has this name.');
  #error = el('p', { className: 'error', role: 'alert' });
  #primary = actionButton('', () => this.#runPrimaryAction(), { className: 'primary' });
  #pause = actionButton('Pause', () => this.#send('pause'));
  #undo = actionButton('Undo', () => this.#send('undo'));
  // On the page only where they are for all: the card of the active participant may not be drawn.
  #more = actionButton('+ for all', () => this.#adjustActive(1), { inSuccession: true });
  #less = actionButton('− for all', () => this.#adjustActive(-1), { inSuccession: true });
  #isScaled = el('input', { type: 'checkbox' });
  #scaled = el(
    'label',
    { className: 'scaled', title: 'With a factor of 1.25, 4 minutes become 5' },
    this.#isScaled,
    ' by factor',
  );
  #complete = actionButton('Complete', () => this.#confirmComplete());
  #reopen = actionButton('Reopen', () => this.#send('reopen'));
  #reset = actionButton('Start over', () => this.#confirmReset());
  #delete = actionButton('Delete', () => this.#confirmDelete(), { className: 'danger' });
  #appointments = new AppointmentForm((changes) => this.#send('update', changes));
  #join = new JoinForm((fields) => this.#addParticipant(fields));
  #message = new MessageForm((message) => this.#send('update', { message }));
  #adjustment = el(
    'select',
    { 'aria-label': 'Time added or removed by + and −' },
    ...ADJUSTMENTS_S.map(
      (step) => new Option(step < 60 ? `± ${step} s` : `± ${step / 60} min`, `${step}`),
    ),
  );

  /** @param {SessionScreen} screen */
  constructor(screen) {
    this.#screen = screen;
    this.#links = new ShareLinks(screen.route, screen.api);
    this.#log = new ActivityLog(screen.api, screen.route.session, () => screen.names);
    this.#session.element.classList.add('session');
    this.element = el(
      'main',
      { className: 'host' },
      el(
        'div',
        { className: 'clocks' },
        this.#session.element,
        this.#progress,
        this.#search,
        this.#noMatch,
        this.#list.element,
        el(
          'div',
          { className: 'controls', role: 'group', 'aria-label': 'Controls' },
          this.#error,
          this.#primary,
          this.#pause,
          this.#undo,
          this.#complete,
          this.#reopen,
          this.#reset,
          this.#adjustment,
          this.#less,
          this.#more,
          this.#scaled,
          this.#delete,
        ),
        this.#message.element,
      ),
      el(
        'div',
        { className: 'sidebar' },
        this.#results.element,
        this.#links.element,
        this.#join.element,
        this.#appointments.element,
        this.#log.element,
        shortcuts(),
      ),
    );
  }

  /** @param {SessionState} state */
  onState(state) {
    const isFirst = this.#state === null;
    this.#state = state;
    const { names } = this.#screen;
    if (!names) return;
    if (isFirst && state.sync_mode === 'simultaneous') this.#adjustment.value = '300';
    this.#links.setNames(names);
    const isRace = useOf(state) === 'race';
    setData(this.element, 'use', useOf(state));
    this.#session.element.hidden = state.session_remaining_ms == null && !isRace;
    this.#session.clock.setName(isRace ? 'Race time' : 'Session time');
    if (isRace) this.#showRaceTime(state);
    // A single participant of a global session would show the same clock twice.
    this.#list.element.hidden = state.session_remaining_ms != null && names.participants.size === 1;
    this.#session.update(state, 'the session');
    this.#search.hidden = names.participants.size < MIN_PARTICIPANTS_FOR_SEARCH && !isRace;
    this.#search.placeholder = isRace ? 'Number or name, then Enter' : 'Search participants';
    this.#updateProgress(state);
    this.#updateList();
    for (const [id, card] of this.#list.cards) this.#updateCard(card, id);
    this.#message.onState(state);
    this.#join.onState(state, names);
    this.#appointments.onState(state);
    this.#updateControls();
    if (isFirst) void this.#log.refresh();
  }

  /** @param {ClockFace} face */
  onFace(face) {
    if (face.id === SESSION) this.#session.clock.show(face);
    else this.#list.cards.get(face.id)?.clock.show(face);
    if (this.#state && useOf(this.#state) === 'race') this.#showRaceTime(this.#state, face);
  }

  onEvents() {
    void this.#log.refresh();
  }

  onConnection() {
    this.#updateControls();
    const { connection, snapshot } = this.#screen.client;
    if (connection === 'live' && snapshot) void this.#log.refresh();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (belongsToFocus(event) || !this.#state) return;
    const { status } = this.#state;
    const pauses = status === 'running' && !this.#pause.hidden ? this.#pause : this.#primary;
    /** @type {Record<string, Button>} */
    const buttons = {
      ' ': this.#primary,
      ...(status !== 'pending' && { p: pauses }),
      u: this.#undo,
      '+': this.#more,
      '-': this.#less,
    };
    const key = shortcutOf(event);
    if (key === '/') this.#search.focus();
    else if (buttons[key]) void buttons[key].press(event);
    else return;
    event.preventDefault();
  }

  /** Show the participants that match the search. */
  #updateList() {
    const participants = this.#screen.names?.participants ?? new Map();
    const ids = this.#matches();
    this.#noMatch.hidden = ids.length > 0;
    const isOwn = this.#state?.sync_mode === 'simultaneous';
    const isRace = this.#state && useOf(this.#state) === 'race';
    this.#list.show(ids, participants.size, isRace ? 'tiles' : isOwn ? 'rows' : 'cards');
    setData(this.#list.element, 'size', sizeOf(participants.size));
    setData(this.#list.element, 'own', String(isOwn));
  }

  /** The ids of the participants that match the search, in the order they are shown. */
  #matches() {
    const participants = this.#screen.names?.participants ?? new Map();
    const query = this.#search.value.trim().toLowerCase();
    const state = this.#state;
    const ids =
      state?.sync_mode === 'simultaneous' && useOf(state) !== 'race'
        ? inOrderOfEnds(state, this.#screen.client.clock.now())
        : [...participants.keys()];
    return ids.filter((id) => {
      const { name, team } = participants.get(id) ?? { name: '', team: '' };
      return `${name} ${team}`.toLowerCase().includes(query);
    });
  }

  /** Enter finishes the runner whose number or name was typed. @param {KeyboardEvent} event */
  #onSearchKey(event) {
    const state = this.#state;
    if (event.key !== 'Enter' || !state || useOf(state) !== 'race') return;
    event.preventDefault();
    const query = this.#search.value.trim().toLowerCase();
    const matches = this.#matches();
    const { nameOf } = this.#screen.names ?? { nameOf: () => '' };
    const exact = matches.filter((id) => {
      const name = nameOf(id).toLowerCase();
      return name === query || name.split(/\s/).includes(query);
    });
    const [id, ...others] = exact.length ? exact : matches;
    if (!query || !id || others.length) return;
    this.#search.value = '';
    this.#updateList();
    void this.#send('finish', { participant_id: id });
  }

  /** How many have finished. @param {SessionState} state */
  #updateProgress(state) {
    const { participants, sync_mode } = state;
    const present = participants.filter(({ has_withdrawn }) => !has_withdrawn);
    this.#progress.hidden = sync_mode !== 'simultaneous' || present.length < 2;
    const finished = present.filter(({ clock_state }) => clock_state === 'finished').length;
    const { finished: word } = wordsOf(useOf(state));
    setText(this.#progress, `${word}: ${finished} of ${present.length}`);
    if (!this.#screen.names || useOf(state) !== 'race') return;
    const results = raceResults(state);
    this.#places = new Map(
      results.map(({ id, place, time }) => [id, `${ordinal(place)} · ${time}`]),
    );
    this.#results.show(results, this.#screen.names);
  }

  /**
   * @param {SessionState} state
   * @param {ClockFace} [face] that has changed
   */
  #showRaceTime(state, face) {
    const leader = raceLeader(state);
    const shown = face ?? this.#screen.faces.get(leader);
    if (shown?.id === leader) this.#session.clock.show({ ...shown, clockState: undefined });
  }

  #updateControls() {
    const state = this.#state;
    if (!state) return;
    const isLive = this.#screen.client.connection === 'live';
    const action = hostAction(state);
    setText(this.#primary, action.label);
    this.#primary.disabled = !isLive || action.command === null;
    const isOver = isFinished(state);
    const isOwn = state.sync_mode === 'simultaneous';
    this.#complete.hidden = this.#adjustment.hidden = isOver;
    // A pause would stop the time of a race.
    const canPause = useOf(state) !== 'race' && !(isOwn && state.status === 'pending');
    this.#pause.hidden = isOver || action.command === 'pause' || !canPause;
    setText(this.#pause, state.status === 'paused' ? 'Resume' : 'Pause');
    this.#pause.disabled = !isLive || state.status !== 'running';
    const isRace = useOf(state) === 'race';
    this.#adjustment.hidden ||= isRace;
    this.#more.hidden = this.#less.hidden = isOver || !isOwn || isRace;
    this.#scaled.hidden =
      this.#more.hidden || !state.participants.some(({ time_factor: factor = 1 }) => factor !== 1);
    const hasTurns = state.participants.length > 1 && !isOwn;
    this.#undo.hidden = isOver || !hasTurns;
    this.#undo.disabled = !isLive || state.status !== 'running';
    this.#complete.disabled = !isLive;
    this.#reopen.hidden = this.#reset.hidden = !isOver;
    this.#reopen.disabled = this.#reset.disabled = !isLive;
  }

  /**
   * @param {HostCard} card
   * @param {string} id
   */
  #updateCard(card, id) {
    const state = this.#state;
    const participant = this.#screen.names?.participants.get(id);
    if (!state || !participant) return;
    card.clock.setName(participant.name, participant.team);
    card.update(state, participant.name);
    const one = state.participants.find(({ participant_id }) => participant_id === id);
    setData(card.element, 'withdrawn', String(participant.hasWithdrawn));
    if (participant.hasWithdrawn) card.clock.setDetail('Withdrawn');
    else if (state.sync_mode !== 'simultaneous' || !one) card.clock.setDetail('');
    else if (useOf(state) !== 'race') {
      card.clock.setDetail(detailOf(one, this.#screen.client.clock.now()));
    } else card.clock.setDetail(this.#places.get(id) ?? '');
  }

  /** @param {string} id */
  #participantCard(id) {
    const card = this.#card(id);
    this.#updateCard(card, id);
    const face = this.#screen.faces.get(id);
    if (face) card.clock.show(face);
    return card;
  }

  /** @param {string} id */
  #card(id) {
    return new HostCard(id, {
      adjust: (one, sign) => this.#adjust(one, sign),
      run: ({ command, args }) => command && this.#send(command, args),
      edit: (one) => this.#edit(one),
    });
  }

  #runPrimaryAction() {
    const action = this.#state && hostAction(this.#state);
    return action?.command && this.#send(action.command, action.args);
  }

  /**
   * @param {string} id
   * @param {1 | -1} sign
   */
  #adjust(id, sign) {
    const target = this.#state && adjustTarget(this.#state, id);
    const delta_ms = sign * Number(this.#adjustment.value) * 1_000;
    const isScaled = id === SESSION && !this.#scaled.hidden && this.#isScaled.checked;
    const args = { ...target, delta_ms, ...(isScaled && { scaled: true }) };
    return target && this.#send('adjust', args);
  }

  /** @param {ParticipantFields & {group?: string}} fields */
  #addParticipant(fields) {
    return this.#state && this.#send('join', joinArgs(this.#state, newId(), fields));
  }

  /** Show what else a host can do with a participant. @param {string} id */
  async #edit(id) {
    const state = this.#state;
    const participant = this.#screen.names?.participants.get(id);
    const one = state?.participants.find(({ participant_id }) => participant_id === id);
    if (!state || !participant || !one) return;
    const hasFactor =
      state.sync_mode === 'simultaneous' && useOf(state) !== 'race' && !one.finished_at;
    const chosen = await editParticipant({
      name: participant.name,
      ...(hasFactor && !isFinished(state) && { factor: one.time_factor ?? 1 }),
      canWithdraw: !participant.hasWithdrawn && !isFinished(state),
    });
    if (chosen?.action === 'link') this.#links.select(id);
    else if (chosen?.action === 'withdraw') await this.#send('withdraw', { participant_id: id });
    else if (chosen) await this.#change(id, chosen.fields);
  }

  /**
   * @param {string} id
   * @param {ParticipantFields} fields
   */
  #change(id, fields) {
    const state = this.#state;
    const args = state && changeArgs(state, id, fields, this.#screen.names?.nameOf(id) ?? '');
    return args && this.#send('update_participant', args);
  }

  /**
   * The active clock, or that of all.
   *
   * @param {1 | -1} sign
   */
  #adjustActive(sign) {
    const { session_remaining_ms, active_participant_id, sync_mode } = this.#state ?? {};
    const isForAll = session_remaining_ms != null || sync_mode === 'simultaneous';
    const active = isForAll ? SESSION : active_participant_id;
    return active && this.#adjust(active, sign);
  }

  async #confirmComplete() {
    const isConfirmed = await confirm({
      title: 'Complete the session?',
      text: 'All clocks stop for every participant. You can reopen it later.',
      action: 'Complete',
    });
    if (isConfirmed) await this.#send('complete');
  }

  async #confirmReset() {
    const isConfirmed = await confirm({
      title: 'Start over?',
      text: 'All clocks are full again, and nothing is used, under the same links. This can’t be undone.',
      action: 'Start over',
    });
    if (isConfirmed) await this.#send('reset');
  }

  async #confirmDelete() {
    const isConfirmed = await confirm({
      title: 'Delete the session?',
      text: 'It disappears from every screen, and its links stop working. This can’t be undone.',
      action: 'Delete',
    });
    if (isConfirmed) {
      await this.#try(() => this.#screen.api.deleteSession(this.#screen.route.session));
    }
  }

  /**
   * @param {CommandName} command
   * @param {Record<string, unknown>} [args]
   */
  #send(command, args) {
    return this.#try(() => this.#screen.client.command(command, args));
  }

  /**
   * Show the error of `action`, if it fails.
   *
   * @param {() => Promise<unknown>} action
   * @returns {Promise<boolean>} whether it succeeded
   */
  async #try(action) {
    try {
      await action();
      setText(this.#error, '');
      return true;
    } catch (error) {
      setText(this.#error, errorText(error));
      return false;
    }
  }
}

/** @param {number} count */
const sizeOf = (count) => (count <= 2 ? 'two' : count <= 4 ? 'four' : 'more');

function shortcuts() {
  return el(
    'details',
    { className: 'panel shortcuts' },
    el('summary', {}, 'Keyboard shortcuts'),
    el(
      'dl',
      {},
      ...SHORTCUTS.flatMap(([key, text]) => [el('dt', {}, el('kbd', {}, key)), el('dd', {}, text)]),
    ),
  );
}
