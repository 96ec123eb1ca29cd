/**
 * What a screen shows of a session's clocks, and when that changes next.
 *
 * Owns the clock faces of one session and one timer, which fires just after a digit has changed
 * instead of on every frame. Nothing is counted down: each time, the server's time is read and
 * the face calculated. Draws nothing itself.
 *
 * @module
 */

import { snapshotAt, startsAtMs } from './appointments.js';
import { participantAt, sessionRemainingMs } from './clock-math.js';
import { browserEnvironment } from './environment.js';
import {
  elapsedChangesInMs,
  formatElapsed,
  formatRemaining,
  remainingChangesInMs,
} from './format.js';
import { timestampOf } from './state-merge.js';

/** @import { ClockState, Environment, ParticipantState, SessionState, Snapshot, TimeControl } from './types.js' */

/**
 * One clock as displayed at an instant.
 *
 * @typedef {object} ClockFace
 * @property {string} id the participant's, or `session` for the session clock of `global`
 * @property {string} text the digits: with byo-yomi and Canadian overtime of the main time, then
 *   of the period; in `count_up` of the time used
 * @property {'plain' | 'warning' | 'unconfirmed' | 'expired' | 'overtime'} phase `unconfirmed` at
 *   zero until the server says that the clock has run out
 * @property {number} warning how many marks of `warn_at_ms` have been passed
 * @property {boolean} isActive
 * @property {boolean} isRunning
 * @property {string} delay digits of the remaining delay of whose turn it is, also while the clock
 *   is paused; or empty
 * @property {string} overtime digits of the time since zero, or empty
 * @property {string} periods what follows the main time, as `then 5 x 0:30`, or which period runs,
 *   as `period 2 of 5, then 3 x 0:30`; with Canadian overtime `then 20 turns in 15:00`, and
 *   `7 turns to go`; in a stage `40 moves: 12 to go`; else empty
 * @property {number} [periodsLeft] includes the period that is running
 * @property {number} [cyclesLeft] of the block, or of the stage
 * @property {number} [stage] from 1
 * @property {ClockState} [clockState] in `simultaneous`
 * @property {string} [name] the participant's, if they have one
 * @property {boolean} [hasWithdrawn]
 * @property {string} startsIn digits of the time until the clock starts by itself, or empty
 */

/** Timers may fire slightly early, when the digits are still the same. */
const TIMER_SLACK_MS = 1;

export class DisplayClock {
  /** @type {Snapshot | null} */
  #snapshot = null;
  /** @type {Map<string, string>} the last face of each clock, serialized */
  #shown = new Map();
  /** @type {ParticipantState[]} those whose clocks move until the next snapshot */
  #moving = [];
  /** @type {unknown} */
  #timer;
  #stopWaking = () => {};
  #clock;
  #show;
  #tenthsBelowMs;
  #environment;

  /**
   * @param {object} options
   * @param {{now: () => number}} options.clock the server's time
   * @param {(face: ClockFace) => void} options.show called with every face that has changed
   * @param {number} [options.tenthsBelowMs] 0 for no tenths
   * @param {Partial<Pick<Environment, 'setTimer' | 'clearTimer' | 'onWake'>>} [options.environment]
   */
  constructor({ clock, show, tenthsBelowMs = 10_000, environment }) {
    this.#clock = clock;
    this.#show = show;
    this.#tenthsBelowMs = tenthsBelowMs;
    this.#environment = { ...browserEnvironment, ...environment };
  }

  /**
   * Show another snapshot, or nothing.
   *
   * @param {Snapshot | null} snapshot
   */
  update(snapshot) {
    this.#stopWaking();
    this.#snapshot = snapshot;
    if (snapshot) {
      // Browsers delay the timers of a hidden page.
      this.#stopWaking = this.#environment.onWake(() => this.refresh());
      this.#moving = snapshot.state.participants;
      this.refresh();
      this.#keepMoving();
    } else {
      this.#shown.clear();
      this.#environment.clearTimer(this.#timer);
    }
  }

  /** From now on, look only at clocks that move. */
  #keepMoving() {
    const snapshot = this.#snapshot;
    this.#moving = this.#moving.filter(
      (one) => one.is_running || one.is_active || (snapshot && startsAtMs(snapshot, one)),
    );
  }

  /** Stop showing anything. */
  stop() {
    this.update(null);
  }

  /** Show what has changed, and set the timer for the next change. */
  refresh() {
    this.#environment.clearTimer(this.#timer);
    if (!this.#snapshot) return;
    // Clocks stop at an appointed end, also before the server says so.
    const endsMs = Date.parse(this.#snapshot.state.ends_at ?? '') || Infinity;
    const nowMs = Math.min(this.#clock.now(), endsMs);
    const snapshot = snapshotAt(this.#snapshot, nowMs);
    const { state } = snapshot;
    const hasBegun = snapshot !== this.#snapshot;
    if (hasBegun) {
      this.#snapshot = snapshot;
      this.#moving = state.participants;
    }
    // NaN until something is known of the server's time.
    const elapsedMs = (/** @type {string} */ id) =>
      Math.max(0, nowMs - timestampOf(snapshot, id)) || 0;
    let nextChangeInMs = Infinity;
    /** @type {(change: TimedFace) => void} */
    const showIfChanged = ({ face, changesInMs }) => {
      nextChangeInMs = Math.min(nextChangeInMs, changesInMs);
      const serialized = Object.values(face).join();
      if (this.#shown.get(face.id) === serialized) return;
      this.#shown.set(face.id, serialized);
      this.#show(face);
    };
    for (const one of this.#moving) {
      const now = participantAt(one, state, elapsedMs(one.participant_id));
      const startsInMs = startsAtMs(snapshot, one) - nowMs;
      showIfChanged(participantFace(now, state, this.#tenthsBelowMs, startsInMs));
    }
    if (state.session_remaining_ms != null) {
      const leftMs = sessionRemainingMs(state, elapsedMs('session'));
      const startsInMs = startsAtMs(snapshot) - nowMs;
      showIfChanged(sessionFace(leftMs, state, this.#tenthsBelowMs, startsInMs));
    }
    if (nextChangeInMs < Infinity && !(nowMs >= endsMs)) {
      const delayMs = nextChangeInMs + TIMER_SLACK_MS;
      this.#timer = this.#environment.setTimer(() => this.refresh(), delayMs);
    }
    if (hasBegun) this.#keepMoving();
  }
}

/** @typedef {{face: ClockFace, changesInMs: number}} TimedFace a face, and when it changes */

/**
 * @param {number} leftMs
 * @param {SessionState} state
 * @param {number} tenthsBelowMs
 * @param {number} startsInMs NaN if it does not start by itself
 * @returns {TimedFace}
 */
function sessionFace(leftMs, state, tenthsBelowMs, startsInMs) {
  const isRunning = state.status === 'running';
  const { warning, nextInMs } = warnings(state, leftMs);
  return {
    face: {
      id: 'session',
      text: formatRemaining(leftMs, tenthsBelowMs),
      phase: phaseOf(leftMs, isRunning, warning),
      warning,
      isActive: isRunning,
      isRunning,
      delay: '',
      overtime: '',
      periods: '',
      startsIn: startsInText(startsInMs),
    },
    changesInMs: isRunning
      ? Math.min(remainingChangesInMs(leftMs, tenthsBelowMs), nextInMs)
      : startChangesInMs(startsInMs),
  };
}

/**
 * @param {ParticipantState} now
 * @param {SessionState} state
 * @param {number} tenthsBelowMs
 * @param {number} startsInMs NaN if it does not start by itself
 * @returns {TimedFace}
 */
function participantFace(now, state, tenthsBelowMs, startsInMs) {
  const leftMs = now.time_remaining_ms;
  const shownMs = now.main_remaining_ms || (now.period_remaining_ms ?? leftMs);
  const delayMs = now.delay_remaining_ms ?? 0;
  const countsUp = state.sync_mode === 'count_up';
  const usedMs = Math.min(now.time_used_ms, (countsUp && state.max_time_ms) || Infinity);
  const { warning, nextInMs } = warnings(state, leftMs);
  const inOvertime = now.is_active && now.has_expired && !now.is_running;
  // Without a maximum, a stopwatch never runs out.
  const untilZeroMs = countsUp && !state.max_time_ms ? Infinity : leftMs + delayMs;
  /** @type {ClockFace} */
  const face = {
    id: now.participant_id,
    text: countsUp ? formatElapsed(usedMs) : formatRemaining(shownMs, tenthsBelowMs),
    phase: inOvertime ? 'overtime' : phaseOf(untilZeroMs, now.is_running, warning, now.has_expired),
    warning,
    isActive: now.is_active,
    isRunning: now.is_running,
    delay: delayMs > 0 && now.is_active ? formatRemaining(delayMs, 0) : '',
    overtime: now.overtime_ms > 0 ? formatElapsed(now.overtime_ms) : '',
    periods: periodsText(now, now.time_control ?? state.time_control ?? {}),
    periodsLeft: now.periods_left,
    cyclesLeft: now.cycles_left,
    stage: now.stage,
    clockState: now.clock_state,
    name: now.name,
    hasWithdrawn: now.has_withdrawn,
    startsIn: startsInText(startsInMs),
  };
  let changesInMs = startChangesInMs(startsInMs);
  if (now.is_running) {
    changesInMs = Math.min(
      delayMs > 0 ? remainingChangesInMs(delayMs, 0) : Infinity,
      countsUp
        ? elapsedChangesInMs(usedMs)
        : delayMs + remainingChangesInMs(shownMs, tenthsBelowMs),
      delayMs + nextInMs,
    );
  } else if (inOvertime && state.status === 'running') {
    changesInMs = elapsedChangesInMs(now.overtime_ms);
  }
  return { face, changesInMs };
}

/** @type {(startsInMs: number) => string} */
const startsInText = (startsInMs) => (startsInMs > 0 ? formatRemaining(startsInMs, 0) : '');

/** @type {(startsInMs: number) => number} */
const startChangesInMs = (startsInMs) =>
  startsInMs > 0 ? remainingChangesInMs(startsInMs, 0) : Infinity;

/**
 * What the digits leave open: the same digits in main time and in the last period are different
 * times until the clock runs out.
 *
 * @param {ParticipantState} now
 * @param {Partial<TimeControl>} control
 */
function periodsText(now, { period_ms = 0, periods = 0, stages = [] }) {
  const { main_remaining_ms: mainMs, period_remaining_ms: periodLeftMs } = now;
  const { periods_left: periodsLeft, cycles_left: cyclesLeft, stage } = now;
  if (stage) {
    const { cycles = 0 } = stages[stage - 1] ?? {};
    return cyclesLeft ? `${cycles} move${cycles === 1 ? '' : 's'}: ${cyclesLeft} to go` : '';
  }
  if (!periodLeftMs) return '';
  if (cyclesLeft) {
    const turns = `${cyclesLeft} turn${cyclesLeft === 1 ? '' : 's'}`;
    return mainMs ? `then ${turns} in ${formatRemaining(periodLeftMs, 0)}` : `${turns} to go`;
  }
  const then = (/** @type {number} */ count) =>
    count > 0 ? `then ${count} x ${formatRemaining(period_ms, 0)}` : '';
  if (!periodsLeft || mainMs) return then(periodsLeft ?? 0);
  const period = `period ${periods - periodsLeft + 1} of ${periods}`;
  return [period, then(periodsLeft - 1)].filter(Boolean).join(', ');
}

/**
 * A clock that still runs at zero has run out by the client's reckoning alone: it may have been
 * paused, or been given time.
 *
 * @param {number} leftMs
 * @param {boolean} isRunning
 * @param {number} warning
 * @param {boolean} [hasExpired]
 * @returns {ClockFace['phase']}
 */
function phaseOf(leftMs, isRunning, warning, hasExpired = false) {
  if (hasExpired) return 'expired';
  if (leftMs <= 0) return isRunning ? 'unconfirmed' : 'expired';
  return warning ? 'warning' : 'plain';
}

/**
 * How many warnings have been passed, and how far it is to the next.
 *
 * @param {SessionState} state
 * @param {number} leftMs
 */
function warnings({ warn_at_ms }, leftMs) {
  const marksMs = warn_at_ms ?? [];
  const ahead = marksMs.filter((markMs) => markMs < leftMs);
  return { warning: marksMs.length - ahead.length, nextInMs: leftMs - Math.max(...ahead) };
}
