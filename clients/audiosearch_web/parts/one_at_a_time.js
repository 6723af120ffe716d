/** One sound at a time: who begins to play stops who plays. */

let stop = null;

/** Takes the turn; `stopMine` is called when somebody else takes it. */
export function claim(stopMine) {
  if (stop && stop !== stopMine) stop();
  stop = stopMine;
}

/** Stops what plays. */
export const silence = () => claim(null);
