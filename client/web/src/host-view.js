/**
 * The host's view: every clock, the controls of the session, share links and the activity log.
 *
 * @module
 */

import { ActivityLog } from './activity-log.js';
import { AppointmentForm } from './appointment-form.js';
import { newId } from './device.js';
import { belongsToFocus, el, setData, setText, shortcutOf } from './dom.js';
import { HostCard, SESSION } from './host-card.js';
import { HostControls } from './host-controls.js';
import { JoinForm } from './join-form.js';
import { MessageForm } from './message-form.js';
import { detailOf, inOrderOfEnds, ordinal, raceLeader, raceResults, useOf } from './own-clocks.js';
import { editParticipant } from './participant-dialog.js';
import { ParticipantList } from './participant-list.js';
import { changeArgs, joinArgs } from './participation.js';
import { isFinished, wordsOf } from './primary-action.js';
import { RaceResults } from './race-results.js';
import { ShareLinks } from './share-links.js';

/** @import { ClockFace } from '../../js/src/index.js' */
/** @import { SessionState } from '../../js/src/types.js' */
/** @import { SessionScreen } from './session-screen.js' */

/** @import { ParticipantFields } from './participant-dialog.js' */

const MIN_PARTICIPANTS_FOR_SEARCH = 13;

const SHORTCUTS = [
  ['Space', 'Start, pass turn, resume'],
  ['P', 'Pause, resume'],
  ['U', 'Undo the last switch'],
  ['+  −', 'Add or remove time'],
  ['/', 'Search'],
];

export class HostView {
  #screen;
  #controls;
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
  #appointments = new AppointmentForm((changes) => this.#controls.send('update', changes));
  #join = new JoinForm((fields) => this.#addParticipant(fields));
  #message = new MessageForm((message) => this.#controls.send('update', { message }));

  /** @param {SessionScreen} screen */
  constructor(screen) {
    this.#screen = screen;
    this.#controls = new HostControls(screen);
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
        this.#controls.element,
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
    this.#controls.update(state);
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
    const { connection, snapshot } = this.#screen.client;
    if (snapshot) this.#controls.update(snapshot.state);
    if (connection === 'live' && snapshot) void this.#log.refresh();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (belongsToFocus(event) || !this.#state) return;
    if (shortcutOf(event) === '/') this.#search.focus();
    else if (!this.#controls.onKey(event)) return;
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
    void this.#controls.send('finish', { participant_id: id });
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
      adjust: (one, sign) => this.#controls.adjust(one, sign),
      run: ({ command, args }) => command && this.#controls.send(command, args),
      edit: (one) => this.#edit(one),
    });
  }

  /** @param {ParticipantFields & {group?: string}} fields */
  #addParticipant(fields) {
    return this.#state && this.#controls.send('join', joinArgs(this.#state, newId(), fields));
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
    else if (chosen?.action === 'withdraw')
      await this.#controls.send('withdraw', { participant_id: id });
    else if (chosen) await this.#change(id, chosen.fields);
  }

  /**
   * @param {string} id
   * @param {ParticipantFields} fields
   */
  #change(id, fields) {
    const state = this.#state;
    const args = state && changeArgs(state, id, fields, this.#screen.names?.nameOf(id) ?? '');
    return args && this.#controls.send('update_participant', args);
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
