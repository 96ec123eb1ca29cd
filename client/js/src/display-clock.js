/**
 * What stands on the screen, and when it has to be changed.
 *
 * Owns the faces of one session's clocks and one timer. It wakes just after a
 * digit has changed, not every frame, and never counts: each time it reads the
 * server's time and calculates. It touches no page; who made it does.
 *
 * @module
 */

import { participantAt, sessionRemainingMs } from './figures.js';
import { timeLeft, timeLeftChangesIn, timePassed, timePassedChangesIn } from './format.js';
import { browser } from './world.js';

/** @typedef {import('./types.js').Held} Held */
/** @typedef {import('./types.js').ParticipantState} ParticipantState */
/** @typedef {import('./types.js').SessionState} SessionState */
/** @typedef {import('./types.js').World} World */

/**
 * One clock as it is shown now.
 *
 * @typedef {object} Face
 * @property {string} id of the participant; `session` for the session clock of `global`
 * @property {string} text the digits: with byo-yomi and Canadian overtime of the main time, then
 *   of the period; in `count_up` of the time used
 * @property {'plain' | 'warning' | 'expired' | 'overtime'} phase
 * @property {number} warning how many marks of `warn_at_ms` have been reached
 * @property {boolean} isActive
 * @property {boolean} isRunning
 * @property {string} delay digits of a delay that is still to pass, or nothing
 * @property {string} overtime digits of the time since zero, or nothing
 * @property {number} [periodsLeft] the one that runs included
 * @property {number} [cyclesLeft]
 */

/** Timers may come a little early, and would then find the same digits. */
const AFTER_MS = 1;

export class DisplayClock {
  /** @type {Held | null} */
  #held = null;
  /** @type {Map<string, string>} what was shown last, by id */
  #shown = new Map();
  /** @type {ParticipantState[]} those whose clocks move until there is another state */
  #moving = [];
  /** @type {unknown} */
  #timer;
  #stopWaking = () => {};
  #clock;
  #show;
  #tenthsBelowMs;
  #world;

  /**
   * @param {object} options
   * @param {{now: () => number}} options.clock the server's time
   * @param {(face: Face) => void} options.show called with every face that has changed
   * @param {number} [options.tenthsBelowMs] 0 for no tenths
   * @param {Partial<Pick<World, 'setTimer' | 'clearTimer' | 'onWake'>>} [options.world]
   */
  constructor({ clock, show, tenthsBelowMs = 10_000, world }) {
    this.#clock = clock;
    this.#show = show;
    this.#tenthsBelowMs = tenthsBelowMs;
    this.#world = { ...browser, ...world };
  }

  /**
   * There is another state, or none.
   *
   * @param {Held | null} held
   */
  update(held) {
    this.#stopWaking();
    this.#held = held;
    if (held) {
      // A page that nobody sees has its timers held back.
      this.#stopWaking = this.#world.onWake(() => this.refresh());
      this.#moving = held.state.participants;
      this.refresh();
      this.#moving = this.#moving.filter((one) => one.is_running || one.is_active);
    } else {
      this.#shown.clear();
      this.#world.clearTimer(this.#timer);
    }
  }

  /** Show nothing any more. */
  stop() {
    this.update(null);
  }

  /** Show what is right now, and wake when that changes. */
  refresh() {
    this.#world.clearTimer(this.#timer);
    if (!this.#held) return;
    const { state, timestamp } = this.#held;
    const elapsed = Math.max(0, this.#clock.now() - timestamp) || 0;
    let changesIn = Infinity;
    /** @type {(look: Look) => void} */
    const look = ({ face, changesInMs }) => {
      changesIn = Math.min(changesIn, changesInMs);
      const shown = Object.values(face).join();
      if (this.#shown.get(face.id) === shown) return;
      this.#shown.set(face.id, shown);
      this.#show(face);
    };
    for (const one of this.#moving) {
      look(participantLook(participantAt(one, state, elapsed), state, this.#tenthsBelowMs));
    }
    if (state.session_remaining_ms !== undefined) {
      look(sessionLook(sessionRemainingMs(state, elapsed), state, this.#tenthsBelowMs));
    }
    if (changesIn < Infinity) {
      this.#timer = this.#world.setTimer(() => this.refresh(), changesIn + AFTER_MS);
    }
  }
}

/** @typedef {{face: Face, changesInMs: number}} Look a face, and for how long it is right */

/**
 * @param {number} left
 * @param {SessionState} state
 * @param {number} tenthsBelowMs
 * @returns {Look}
 */
function sessionLook(left, state, tenthsBelowMs) {
  const isRunning = state.status === 'running';
  const { warning, next } = marks(state, left);
  return {
    face: {
      id: 'session',
      text: timeLeft(left, tenthsBelowMs),
      phase: left <= 0 ? 'expired' : warning ? 'warning' : 'plain',
      warning,
      isActive: isRunning,
      isRunning,
      delay: '',
      overtime: '',
    },
    changesInMs: isRunning ? Math.min(timeLeftChangesIn(left, tenthsBelowMs), next) : Infinity,
  };
}

/**
 * @param {ParticipantState} now its figures as they are now
 * @param {SessionState} state
 * @param {number} tenthsBelowMs
 * @returns {Look}
 */
function participantLook(now, state, tenthsBelowMs) {
  const left = now.time_remaining_ms;
  const dial = now.main_remaining_ms || (now.period_remaining_ms ?? left);
  const delay = now.delay_remaining_ms ?? 0;
  const countsUp = state.sync_mode === 'count_up';
  const used = Math.min(now.time_used_ms, (countsUp && state.max_time_ms) || Infinity);
  const { warning, next } = marks(state, left);
  const inOvertime = now.is_active && now.has_expired && !now.is_running;
  const ranOut = now.has_expired || (left <= 0 && !countsUp);
  /** @type {Face} */
  const face = {
    id: now.participant_id,
    text: countsUp ? timePassed(used) : timeLeft(dial, tenthsBelowMs),
    phase: inOvertime ? 'overtime' : ranOut ? 'expired' : warning ? 'warning' : 'plain',
    warning,
    isActive: now.is_active,
    isRunning: now.is_running,
    delay: delay > 0 && now.is_running ? timeLeft(delay, 0) : '',
    overtime: now.overtime_ms > 0 ? timePassed(now.overtime_ms) : '',
    periodsLeft: now.periods_left,
    cyclesLeft: now.cycles_left,
  };
  let changesInMs = Infinity;
  if (now.is_running) {
    changesInMs = Math.min(
      delay > 0 ? timeLeftChangesIn(delay, 0) : Infinity,
      countsUp ? timePassedChangesIn(used) : delay + timeLeftChangesIn(dial, tenthsBelowMs),
      delay + next,
    );
  } else if (inOvertime && state.status === 'running') {
    changesInMs = timePassedChangesIn(now.overtime_ms);
  }
  return { face, changesInMs };
}

/**
 * How many of the marks have been reached, and how far it is to the next.
 *
 * @param {SessionState} state
 * @param {number} left
 */
function marks({ warn_at_ms = [] }, left) {
  const ahead = warn_at_ms.filter((mark) => mark < left);
  return { warning: warn_at_ms.length - ahead.length, next: left - Math.max(...ahead) };
}
