/**
 * Features of the device: sound, vibration, wake lock, full screen, clipboard.
 *
 * Each may be missing or refused; the page works without them.
 *
 * @module
 */

/** @type {AudioContext | null} */
let audio = null;

/** Call it while handling a click or a key: browsers allow sound only from then on. */
export function unmute() {
  audio ??= new AudioContext();
  void audio.resume();
}

/** Whether the browser allows sound by now. */
export const isAudible = () => navigator.userActivation?.hasBeenActive ?? audio !== null;

/** Two short tones. */
export function chime() {
  play(0, 880, 0.6);
  play(0.22, 660, 0.6);
}

/** A bell, struck once: its partials, the higher the shorter. */
export function bell() {
  for (const [ratio, lastsS] of /** @type {const} */ ([
    [1, 1.8],
    [2, 1.2],
    [2.99, 0.8],
    [4.2, 0.5],
  ])) {
    play(0, 587 * ratio, lastsS, 0.18 / ratio);
  }
}

/**
 * @param {number} inS
 * @param {number} pitch in hertz
 * @param {number} lastsS
 * @param {number} [volume]
 */
function play(inS, pitch, lastsS, volume = 0.3) {
  if (audio?.state !== 'running') return;
  const at = audio.currentTime + inS;
  const oscillator = new OscillatorNode(audio, { frequency: pitch });
  const gain = new GainNode(audio, { gain: 0 });
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(volume, at + 0.02);
  gain.gain.exponentialRampToValueAtTime(0.001, at + lastsS);
  oscillator.connect(gain).connect(audio.destination);
  oscillator.start(at);
  oscillator.stop(at + lastsS);
}

export function vibrate() {
  navigator.vibrate?.(30);
}

/**
 * Keep the screen on while `isNeeded`.
 *
 * The system may refuse the lock (without a gesture, or on a low battery) and may take it away, so
 * it is requested again at the next gesture and when the page becomes visible.
 *
 * @param {() => boolean} isNeeded
 * @returns {{update: () => Promise<void>, stop: () => void}}
 */
export function wakeLock(isNeeded) {
  /** @type {WakeLockSentinel | null | undefined} */
  let lock;
  let isRequesting = false;
  const listeners = new AbortController();
  const { signal } = listeners;
  const mayLock = () => !signal.aborted && !document.hidden && isNeeded();
  const release = () => {
    void lock?.release();
    lock = null;
  };
  const update = async () => {
    if (!mayLock()) return release();
    if (isRequesting || lock?.released === false) return;
    isRequesting = true;
    lock = await navigator.wakeLock?.request('screen').catch(() => null);
    isRequesting = false;
    if (!mayLock()) release();
  };
  for (const type of ['visibilitychange', 'pointerup', 'keydown']) {
    document.addEventListener(type, update, { signal });
  }
  return {
    update,
    stop() {
      listeners.abort();
      release();
    },
  };
}

export const hasFullScreen = document.fullscreenEnabled;

export async function toggleFullScreen() {
  try {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await document.documentElement.requestFullscreen();
  } catch {
    // Refused by the browser.
  }
}

/**
 * @param {string} text
 * @returns {Promise<boolean>} whether it was copied
 */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // The clipboard requires HTTPS or localhost.
    return false;
  }
}

/** A UUID; `crypto.randomUUID` requires HTTPS or localhost. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte, at) => {
    const value = at === 6 ? (byte & 0x0f) | 0x40 : at === 8 ? (byte & 0x3f) | 0x80 : byte;
    return value.toString(16).padStart(2, '0');
  }).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
