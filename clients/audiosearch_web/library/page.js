/** The page Library: all libraries, or one of them with its clips and imports. */

import { showLibraries } from "./library_list.js";
import { showLibrary } from "./library_one.js";

export function show(root, params) {
  return params.library ? showLibrary(root, params) : showLibraries(root, params);
}
