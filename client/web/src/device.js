/**
 * What a device can do beside showing: sound, staying awake, the whole screen, a buzz.
 *
 * Each of these may be missing or refused, and the page works without.
 *
 * @module
 */

/** @type {AudioContext | null} */
let audio = null;

/** To be called while a click or a key is handled: elsewhere browsers keep silent. */
export function unmute() {
  audio ??= new AudioContext();
  void audio.resume();
}

/** Two short tones. */
export function chime() {
  if (audio?.state !== 'running') return;
  for (const [tone, pitch] of [880, 660].entries()) {
    const at = audio.currentTime + tone * 0.22;
    const oscillator = new OscillatorNode(audio, { frequency: pitch });
    const gain = new GainNode(audio, { gain: 0 });
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(0.3, at + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.001, at + 0.6);
    oscillator.connect(gain).connect(audio.destination);
    oscillator.start(at);
    oscillator.stop(at + 0.6);
  }
}

export function buzz() {
  navigator.vibrate?.(30);
}

/**
 * Keep the screen on for as long as it is wanted; a page that was hidden asks again.
 *
 * @param {() => boolean} isWanted
 * @returns {{check: () => void, stop: () => void}}
 */
export function wakefulness(isWanted) {
  /** @type {Promise<WakeLockSentinel | null> | null} */
  let lock = null;
  const release = () => {
    void lock?.then((held) => held?.release());
    lock = null;
  };
  const check = () => {
    if (document.hidden || !isWanted()) return release();
    lock ??= navigator.wakeLock?.request('screen').catch(() => null) ?? null;
  };
  const seen = () => {
    // The browser has released it meanwhile.
    lock = null;
    check();
  };
  document.addEventListener('visibilitychange', seen);
  return {
    check,
    stop() {
      document.removeEventListener('visibilitychange', seen);
      release();
    },
  };
}

export const canFillScreen = document.fullscreenEnabled;

export async function toggleFullScreen() {
  try {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await document.documentElement.requestFullscreen();
  } catch {
    // Refused: the page stays as it is.
  }
}

/**
 * @param {string} text
 * @returns {Promise<boolean>} whether it could be copied
 */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Only pages that came encrypted, or from this machine, may.
    return false;
  }
}

/** A UUID; `crypto.randomUUID` is missing where the page came unencrypted. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte, at) => {
    const value = at === 6 ? (byte & 0x0f) | 0x40 : at === 8 ? (byte & 0x3f) | 0x80 : byte;
    return value.toString(16).padStart(2, '0');
  }).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
