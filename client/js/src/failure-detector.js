/**
 * Failure detector: whether the connection has been confirmed lately, or has only not failed.
 *
 * TCP reports the loss of a network only after minutes, so silence is measured against what was
 * sent: an answer is due after twice the usual round trip. Pure: no I/O, no clock. The rules are
 * in docs/protocol.md of the project, "Following a session".
 *
 * @module
 */

/** No answer is late before this, however fast the network: functions start slowly. */
const MIN_ANSWER_MS = 1_500;

/** How long a connection in doubt has to answer. */
export const PROBE_TIMEOUT_MS = 5_000;

/** How often a connection in doubt is probed: a single PONG may be lost. */
export const PROBE_INTERVAL_MS = 1_000;

/** Weight of a round trip in the average, as in TCP (RFC 6298). */
const ROUND_TRIP_WEIGHT = 1 / 8;

export class FailureDetector {
  /** The newest message that was answered had been sent then. */
  confirmedAtMs = -Infinity;

  /** When each unanswered message was sent. @type {number[]} */
  #sentAtMs = [];
  #suspectedAtMs = Infinity;
  #roundTripMs = NaN;

  /** When the doubt began, or will begin unless an answer arrives; Infinity if none is due. */
  get doubtAtMs() {
    const answerMs = Math.max(MIN_ANSWER_MS, 2 * this.#roundTripMs || 0);
    return Math.min(this.#suspectedAtMs, (this.#sentAtMs[0] ?? Infinity) + answerMs);
  }

  /** When the connection is lost, unless an answer arrives. */
  get lostAtMs() {
    return this.doubtAtMs + PROBE_TIMEOUT_MS;
  }

  /** There is no connection: nothing that was sent will be answered. */
  reset() {
    this.#sentAtMs = [];
    this.#suspectedAtMs = Infinity;
  }

  /** A message that must be answered was sent. @param {number} nowMs */
  sent(nowMs) {
    this.#sentAtMs.push(nowMs);
  }

  /** There is a reason for doubt. @param {number} nowMs */
  suspect(nowMs) {
    this.#suspectedAtMs = Math.min(this.#suspectedAtMs, nowMs);
  }

  /**
   * What was sent at `sentAtMs` is answered, so all that was sent before could get through, too.
   *
   * @param {number} sentAtMs
   * @param {number} [nowMs] if the round trip is typical: commands and claims wait for the store,
   *   and a suspension lengthens it
   */
  answered(sentAtMs, nowMs) {
    this.confirmedAtMs = Math.max(this.confirmedAtMs, sentAtMs);
    this.#sentAtMs = this.#sentAtMs.filter((atMs) => atMs > sentAtMs);
    if (sentAtMs >= this.#suspectedAtMs) this.#suspectedAtMs = Infinity;
    if (nowMs === undefined) return;
    // A line that slow is dropped. What is later says more about a busy page than about the line.
    const roundTripMs = Math.min(nowMs - sentAtMs, PROBE_TIMEOUT_MS);
    this.#roundTripMs += (roundTripMs - this.#roundTripMs) * ROUND_TRIP_WEIGHT;
    if (Number.isNaN(this.#roundTripMs)) this.#roundTripMs = roundTripMs;
  }
}
