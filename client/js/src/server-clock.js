/**
 * The server's time, from a clock of one's own and what PINGs bring back.
 *
 * Owns the samples and what follows from them; never sends anything, and reads
 * no clock but those it was given. All instants are in milliseconds; an offset
 * is what has to be added to an instant of one's own to get the server's.
 *
 * A PONG says two things that no network can make untrue: when it came in, the
 * server had not yet passed `receivedAt` at the instant the PING was sent, and
 * it had passed `timestamp` when the PONG arrived. So each sample is an upper
 * and a lower limit of the offset, the truth lies between the least of the
 * upper and the greatest of the lower ones (as in Marzullo's algorithm), and
 * half of the way between them is both the estimate and how wrong it may be.
 * The two limits may come from different samples, so this is never worse
 * than the sample with the shortest round trip, and as a rule much better.
 *
 * @module
 */

/** @typedef {import('./types.js').Pong} Pong */
/** @typedef {import('./types.js').World} World */
/**
 * The limits of one sample, and the instants of one's own at which they held.
 *
 * @typedef {{sentAt: number, atMost: number, arrivedAt: number, atLeast: number}} Sample
 */

/** With so many samples a round of them is complete. */
const ROUND = 10;

/** So many PINGs are tried for a round; some may be lost. */
const TRIES = 20;

/** Half as often as a server lets one connection speak. */
const TRY_EVERY_MS = 100;

/** Half an hour of heartbeats; older ones say nothing about now, and little about the skew. */
const SAMPLES = 64;

/** No two clocks that are in use run further apart than this, of a million. */
const ANY_SKEW = 200e-6;

/** How much a skew may change with the temperature while it is being measured. */
const WANDER = 20e-6;

/** Timestamps are whole milliseconds, and the server's own arithmetic rounds. */
const ROUNDING_MS = 0.5;

const STEP_FROM_MS = 1_000;
const CLOSE_WITHIN_MS = 1_000;

/** A clock that stops while a machine sleeps falls behind the time of day by what it slept. */
const SLEPT_MS = 500;

export class ServerClock {
  /** @type {Sample[]} the latest last */
  #samples = [];
  #tries = 0;
  #gained = 0;
  #since = -Infinity;
  #ahead;
  #world;
  #onWake;

  // What is shown is a line, and a gap to it that closes.
  #at = 0;
  #offset = NaN;
  #skew = 0;
  #gap = 0;

  /**
   * @param {Pick<World, 'now' | 'wall'>} world
   * @param {() => void} [onWake] called when the machine turns out to have slept
   */
  constructor(world, onWake = () => {}) {
    this.#world = world;
    this.#onWake = onWake;
    this.#ahead = world.wall() - world.now();
  }

  /**
   * The server's time; NaN before anything has been heard of it.
   *
   * It never goes back: where the estimate has been ahead, this runs slower until it is not.
   */
  now() {
    return this.#shownAt(this.#now());
  }

  /** By how much `now` may be wrong at most; infinite until a PONG has come. */
  get errorBoundMs() {
    const now = this.#now();
    const { atLeast, atMost } = this.#limits(now, ...this.#regression());
    const shown = this.#shownAt(now) - now;
    return Math.max(atMost - shown, shown - atLeast, 0) + ROUNDING_MS || Infinity;
  }

  /** By how much the server's clock runs faster than this one, of a million. */
  get skewPpm() {
    return this.#skew * 1e6;
  }

  /** How long to wait between two PINGs, where the heartbeat alone would be `heartbeatMs`. */
  pingEveryMs(/** @type {number} */ heartbeatMs) {
    return this.#gained < ROUND && this.#tries < TRIES ? TRY_EVERY_MS : heartbeatMs;
  }

  /** A PING to send now. */
  ping() {
    this.#tries += 1;
    return { type: 'PING', clientTime: this.#now() };
  }

  /**
   * Begin a new round of samples.
   *
   * @param {boolean} [slept] whether this machine's clock stood still: then
   *   what was measured before says nothing any more
   */
  resync(slept = false) {
    this.#tries = this.#gained = 0;
    if (slept) {
      this.#samples = [];
      this.#since = this.#world.now();
    }
  }

  /**
   * Any message shows how late it is at least, which will do until the first PONG.
   *
   * @param {number} timestamp
   */
  heard(timestamp) {
    const now = this.#world.now();
    if (this.#samples.length || timestamp <= this.#shownAt(now)) return;
    this.#at = now;
    this.#offset = timestamp - now;
    this.#gap = 0;
  }

  /**
   * A PONG has come, this very moment.
   *
   * @param {Pong} pong
   */
  sample({ clientTime, receivedAt, timestamp }) {
    const now = this.#now();
    // One that was under way while this clock stood still would be believed too much.
    if (!(clientTime >= this.#since && clientTime <= now)) return;
    const shown = this.#shownAt(now);
    const isFirst = !this.#samples.length;
    this.#gained += 1;
    this.#samples.push({
      sentAt: clientTime,
      // The server's milliseconds are whole ones that have begun.
      atMost: receivedAt + 1 - clientTime,
      arrivedAt: now,
      atLeast: timestamp - now,
    });
    if (this.#samples.length > SAMPLES) this.#samples.shift();

    const [skew, doubt] = this.#regression();
    const { atLeast, atMost, agreeing } = this.#limits(now, skew, doubt);
    this.#samples.splice(0, this.#samples.length - agreeing);
    this.#at = now;
    this.#skew = skew;
    this.#offset = (atLeast + atMost) / 2;
    const gap = now + this.#offset - shown;
    // What was shown before the first sample was a guess; forward is no harm.
    this.#gap = gap <= (isFirst ? 0 : STEP_FROM_MS) ? gap : 0;
  }

  /** One's own time, and whether this machine has slept since it was last asked for. */
  #now() {
    const now = this.#world.now();
    const ahead = this.#world.wall() - now;
    if (Math.abs(ahead - this.#ahead) > SLEPT_MS) {
      this.#ahead = ahead;
      this.resync(true);
      this.#onWake();
    }
    return now;
  }

  /** @param {number} now */
  #shownAt(now) {
    const passed = now - this.#at;
    // Closes within a second, at no more than half speed: so it always runs forward.
    const closed = (passed * Math.min(Math.abs(this.#gap), CLOSE_WITHIN_MS / 2)) / CLOSE_WITHIN_MS;
    const left = Math.sign(this.#gap) * Math.max(0, Math.abs(this.#gap) - closed);
    return now + this.#offset + this.#skew * passed - left;
  }

  /**
   * What all samples together say of the offset at an instant. Where older
   * ones contradict newer ones, a clock has been set, and the older are wrong.
   *
   * @param {number} now
   * @param {number} skew
   * @param {number} doubt
   */
  #limits(now, skew, doubt) {
    let atLeast = -Infinity;
    let atMost = Infinity;
    let agreeing = 0;
    for (const one of [...this.#samples].reverse()) {
      const least = one.atLeast + (skew - doubt) * (now - one.arrivedAt);
      const most = one.atMost + (skew + doubt) * (now - one.sentAt);
      if (least > atMost + 2 * ROUNDING_MS || most < atLeast - 2 * ROUNDING_MS) break;
      atLeast = Math.max(atLeast, least);
      atMost = Math.min(atMost, most);
      agreeing += 1;
    }
    return { atLeast, atMost, agreeing };
  }

  /**
   * The skew as the slope of the samples, by weighted least squares, and how wrong it may be.
   *
   * @returns {[skew: number, doubt: number]}
   */
  #regression() {
    const samples = this.#samples;
    const narrowest = Math.min(...samples.map((one) => one.atMost - one.atLeast));
    let [n, x, y] = [0, 0, 0];
    const points = samples.map(({ sentAt, arrivedAt, atLeast, atMost }) => {
      // What a round trip took longer than the shortest may all have been on one way.
      const weight = 1 / (1 + atMost - atLeast - narrowest) ** 2;
      const point = { at: (sentAt + arrivedAt) / 2, offset: (atLeast + atMost) / 2, weight };
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
    const doubt = 4 * deviation + WANDER;
    return samples.length >= ROUND && doubt < ANY_SKEW ? [skew, doubt] : [0, ANY_SKEW];
  }
}
