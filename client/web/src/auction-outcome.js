/**
 * Who has won, at an auction that is over.
 *
 * An ended session has no active participant, and not everyone who was active has bid: so it is read
 * from the event log.
 *
 * @module
 */

import { el, setText } from './dom.js';

/** @import { SessionState } from '../../js/src/types.js' */
/** @import { Api } from './api.js' */
/** @import { SessionNames } from './names.js' */
/** @import { Route } from './route.js' */

export class AuctionOutcome {
  #api;
  #route;
  /** The version of the state that is shown, or being loaded. @type {number | null} */
  #version = null;
  element = el('p', { className: 'outcome', dir: 'auto', role: 'status', hidden: true });

  /**
   * @param {Api} api
   * @param {Route} route
   */
  constructor(api, route) {
    this.#api = api;
    this.#route = route;
  }

  /**
   * @param {SessionState | undefined} state
   * @param {SessionNames | null} names
   */
  async update(state, names) {
    if (!state || !names || !isAuctionOver(state)) {
      this.#version = null;
      this.element.hidden = true;
      return;
    }
    if (this.#version === state.version) return;
    this.#version = state.version;
    try {
      const events = [];
      for await (const page of this.#api.getEvents(this.#route.session)) events.push(...page);
      if (this.#version !== state.version) return;
      setText(this.element, outcomeText(winnerOf(events, state), names, this.#route.participant));
      this.element.hidden = false;
    } catch {
      // The next update tries again.
      if (this.#version === state.version) this.#version = null;
    }
  }
}

/** @param {SessionState} state */
const isAuctionOver = ({ turn_taking, status }) =>
  turn_taking === 'take' && (status === 'expired' || status === 'completed');

/**
 * Whose bid was the last of those who still take part. Not a bid: to be active from the start, or
 * because another was skipped or withdrew.
 *
 * @param {Record<string, unknown>[]} events oldest first
 * @param {SessionState} state
 * @returns {string | null}
 */
export function winnerOf(events, { participants }) {
  const away = new Set(
    participants.flatMap((one) => (one.has_withdrawn ? one.participant_id : [])),
  );
  /** @type {string[]} */
  const bidders = [];
  /** @type {any} */
  let before;
  for (const event of /** @type {any[]} */ (events)) {
    if (event.type === 'session_reset') bidders.length = 0;
    else if (event.type === 'switch_undone') bidders.pop();
    else if (event.type === 'cycle_switched' && !isHandedOn(before, event)) {
      bidders.push(event.active_participant_id);
    }
    before = event;
  }
  return bidders.reverse().find((id) => !away.has(id)) ?? null;
}

/** @type {(before: any, event: any) => boolean} */
const isHandedOn = (before, { version, previous_participant_id: id }) =>
  before?.version === version &&
  before.participant_id === id &&
  (before.type === 'participant_withdrawn' || before.action === 'skip_cycle');

/**
 * @param {string | null} winner
 * @param {SessionNames} names
 * @param {string | undefined} own participant of this screen
 */
export function outcomeText(winner, { nameOf }, own) {
  if (winner === null) return 'The auction is over. There was no bid.';
  return `${winner === own ? 'You have' : `${nameOf(winner)} has`} won the auction.`;
}
