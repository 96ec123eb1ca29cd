/**
 * Estimates the server's time from PING and PONG, with a bound on the error.
 *
 * Owns the samples and the estimate. Sends nothing, and reads no clocks but those it is given.
 * All instants are in milliseconds; an offset is what must be added to the local monotonic clock
 * to get the server's time.
 *
 * Each PONG proves two things, however slow the network: the server had not yet passed
 * `receivedAt` when the PING was sent, and it had passed `timestamp` when the PONG arrived. So a
 * sample gives an upper and a lower limit of the offset. The offset lies between the lowest upper
 * and the highest lower limit of all samples (Marzullo's algorithm); the middle of that interval
 * is the estimate, and half of its width the error bound. The two limits may come from different
 * samples, so the estimate is never worse than the sample with the shortest round trip, and
 * usually much better.
 *
 * @module
 */

/** @import { Environment, Pong } from './types.js' */
/**
 * The limits that one PONG gives, and the local instants at which they held.
 *
 * @typedef {{sentAt: number, upper: number, arrivedAt: number, lower: number}} Sample
 */

/** A burst ends after so many samples. */
const BURST_SAMPLES = 10;

/** A burst ends after so many PINGs, answered or not. */
const BURST_PINGS = 20;

/** Half of the rate at which a server accepts messages from one connection. */
const BURST_INTERVAL_MS = 100;

/** Half an hour of heartbeats; older samples add little. */
const MAX_SAMPLES = 64;

/** No two clocks in practical use differ in speed by more than this. */
const MAX_SKEW = 200e-6;

/** How much the skew may change with temperature while it is being measured. */
const SKEW_DRIFT = 20e-6;

/** Timestamps are whole milliseconds. */
const ROUNDING_MS = 0.5;

const STEP_THRESHOLD_MS = 1_000;
const SLEW_WITHIN_MS = 1_000;

/** A monotonic clock that stops while the machine sleeps falls behind the time of day. */
const SLEEP_THRESHOLD_MS = 500;

export class ServerClock {
  /** @type {Sample[]} the newest last */
  #samples = [];
  #burstPings = 0;
  #burstPongs = 0;
  #validSince = -Infinity;
  #wallAhead;
  #environment;
  #onWake;

  // The estimate is a line through (base, base + offset), and a slew towards it.
  #base = 0;
  #offset = NaN;
  #skew = 0;
  #slew = 0;

  /**
   * @param {Pick<Environment, 'now' | 'wallClock'>} environment
   * @param {() => void} [onWake] called when the clock notices that the machine has slept
   */
  constructor(environment, onWake = () => {}) {
    this.#environment = environment;
    this.#onWake = onWake;
    this.#wallAhead = environment.wallClock() - environment.now();
  }

  /**
   * The server's time; NaN until a message has arrived.
   *
   * Never goes back: where the estimate was ahead, the clock runs slower until it is right.
   */
  now() {
    return this.#serverTimeAt(this.#localNow());
  }

  /** The maximum error of `now`; Infinity until the first PONG. */
  get errorBoundMs() {
    const now = this.#localNow();
    const { lower, upper } = this.#offsetLimits(now, ...this.#estimateSkew());
    const offset = this.#serverTimeAt(now) - now;
    return Math.max(upper - offset, offset - lower, 0) + ROUNDING_MS || Infinity;
  }

  /** How much faster the server's clock runs than the local one, in parts per million. */
  get skewPpm() {
    return this.#skew * 1e6;
  }

  /** How long to wait before the next PING: short during a burst, else `heartbeatMs`. */
  pingIntervalMs(/** @type {number} */ heartbeatMs) {
    const inBurst = this.#burstPongs < BURST_SAMPLES && this.#burstPings < BURST_PINGS;
    return inBurst ? BURST_INTERVAL_MS : heartbeatMs;
  }

  /** A PING to send now. */
  ping() {
    this.#burstPings += 1;
    return { type: 'PING', clientTime: this.#localNow() };
  }

  /**
   * Start a new burst of samples.
   *
   * @param {boolean} [afterSleep] drop the samples from before a sleep: the local clock stood
   *   still in between
   */
  resync(afterSleep = false) {
    this.#burstPings = this.#burstPongs = 0;
    if (afterSleep) {
      this.#samples = [];
      this.#validSince = this.#environment.now();
    }
  }

  /**
   * Use the timestamp of any message as a lower limit until the first PONG.
   *
   * @param {number} timestamp
   */
  receiveTimestamp(timestamp) {
    const now = this.#environment.now();
    if (this.#samples.length || timestamp <= this.#serverTimeAt(now)) return;
    this.#base = now;
    this.#offset = timestamp - now;
    this.#slew = 0;
  }

  /**
   * Add the sample of a PONG that has just arrived.
   *
   * @param {Pong} pong
   * @returns {boolean} whether its round trip is known: it was not under way during a sleep
   */
  receivePong({ clientTime, receivedAt, timestamp }) {
    const now = this.#localNow();
    if (!(clientTime >= this.#validSince && clientTime <= now)) return false;
    const before = this.#serverTimeAt(now);
    const isFirst = !this.#samples.length;
    this.#burstPongs += 1;
    this.#samples.push({
      sentAt: clientTime,
      // The server's timestamps are rounded down.
      upper: receivedAt + 1 - clientTime,
      arrivedAt: now,
      lower: timestamp - now,
    });
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();

    const [skew, skewError] = this.#estimateSkew();
    const { lower, upper, agreeing } = this.#offsetLimits(now, skew, skewError);
    this.#samples.splice(0, this.#samples.length - agreeing);
    this.#base = now;
    this.#skew = skew;
    this.#offset = (lower + upper) / 2;
    const slew = now + this.#offset - before;
    // A large forward correction is a step; at the first sample, every forward one is.
    this.#slew = slew <= (isFirst ? 0 : STEP_THRESHOLD_MS) ? slew : 0;
    return true;
  }

  /** The monotonic clock; notices whether the machine has slept since the last call. */
  #localNow() {
    const now = this.#environment.now();
    const wallAhead = this.#environment.wallClock() - now;
    if (Math.abs(wallAhead - this.#wallAhead) > SLEEP_THRESHOLD_MS) {
      this.#wallAhead = wallAhead;
      this.resync(true);
      this.#onWake();
    }
    return now;
  }

  /** @param {number} now */
  #serverTimeAt(now) {
    const passed = now - this.#base;
    const total = Math.abs(this.#slew);
    // Corrected within a second, at no more than half speed, so that time never goes back.
    const done = (passed * Math.min(total, SLEW_WITHIN_MS / 2)) / SLEW_WITHIN_MS;
    const left = Math.sign(this.#slew) * Math.max(0, total - done);
    return now + this.#offset + this.#skew * passed - left;
  }

  /**
   * The lower and upper limit of the offset, and how many of the newest samples agree. If older
   * samples contradict newer ones, a clock has been set, and the older are wrong.
   *
   * @param {number} now
   * @param {number} skew
   * @param {number} skewError
   */
  #offsetLimits(now, skew, skewError) {
    let lower = -Infinity;
    let upper = Infinity;
    let agreeing = 0;
    for (const one of [...this.#samples].reverse()) {
      const oneLower = one.lower + (skew - skewError) * (now - one.arrivedAt);
      const oneUpper = one.upper + (skew + skewError) * (now - one.sentAt);
      if (oneLower > upper + 2 * ROUNDING_MS || oneUpper < lower - 2 * ROUNDING_MS) break;
      lower = Math.max(lower, oneLower);
      upper = Math.min(upper, oneUpper);
      agreeing += 1;
    }
    return { lower, upper, agreeing };
  }

  /**
   * The skew and its error: the slope of the samples, by weighted least squares.
   *
   * @returns {[skew: number, skewError: number]}
   */
  #estimateSkew() {
    const samples = this.#samples;
    const narrowest = Math.min(...samples.map((one) => one.upper - one.lower));
    let [n, x, y] = [0, 0, 0];
    const points = samples.map(({ sentAt, arrivedAt, lower, upper }) => {
      // The extra time of a slow round trip may all have been spent in one direction.
      const weight = 1 / (1 + upper - lower - narrowest) ** 2;
      const point = { at: (sentAt + arrivedAt) / 2, offset: (lower + upper) / 2, weight };
      n += weight;
      x += weight * point.at;
      y += weight * point.offset;
      return point;
    });
    let [xx, xy, yy] = [0, 0, 0];
    for (const { at, offset, weight } of points) {
      xx += weight * (at - x / n) ** 2;
      xy += weight * (at - x / n) * (offset - y / n);
      yy += weight * (offset - y / n) ** 2;
    }
    const skew = xy / xx;
    const deviation = Math.sqrt(Math.max(0, yy / xx - skew ** 2) / (samples.length - 2));
    const skewError = 4 * deviation + SKEW_DRIFT;
    return samples.length >= BURST_SAMPLES && skewError < MAX_SKEW
      ? [skew, skewError]
      : [0, MAX_SKEW];
  }
}
