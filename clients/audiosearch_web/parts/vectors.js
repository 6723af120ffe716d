/** Libraries for vectors that were made elsewhere: their clips have a name and no sound. */

import { h, icon } from "../core/dom.js";

const KIND = "application/x-audiosearch-vector";

/** True of such a library. */
export const holdsVectors = (library) => Number(library?.dimension ?? 0) > 0;

/** True of a clip of one. */
export const isVector = (clip) => clip.audioObject?.contentType === KIND;

/** A mark in the place of the button that plays. */
export const noSound = () => h("span", { class: "play off" }, icon("map"));
