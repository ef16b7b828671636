/** Two soft tones, made here: no file to load, nothing for a content policy to allow. */

const NOTES_HZ = [660, 880] as const;
const NOTE_S = 0.12;
const LOUDNESS = 0.06;
let context: AudioContext | undefined;

export function play(): void {
  context ??= new AudioContext();
  // A page that nobody has clicked yet may not sound, and must not do so later.
  if (context.state === "suspended") return void context.resume();
  const at = context.currentTime;
  const tone = new OscillatorNode(context, { frequency: NOTES_HZ[0] });
  const volume = new GainNode(context, { gain: LOUDNESS });
  tone.frequency.setValueAtTime(NOTES_HZ[1], at + NOTE_S);
  volume.gain.setTargetAtTime(0, at + NOTE_S, NOTE_S / 2);
  tone.connect(volume).connect(context.destination);
  tone.start();
  tone.stop(at + 5 * NOTE_S);
}
