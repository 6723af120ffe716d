/** The question that makes a library. */

import { api } from "../core/api.js";
import { open } from "../parts/dialog.js";
import { field } from "../core/dom.js";
import { failureBox } from "../core/failure.js";
import { words } from "../core/i18n.js";
import { nameAndId } from "../core/ids.js";
import { keepLibrary } from "../core/last_library.js";
import { purposeChoice } from "../parts/purpose.js";
import { library as strings } from "../strings/library.js";

const t = words(strings);

/**
 * Asks for the name of a library, `called` to begin with, and its purpose, `wanted` if a model of
 * it runs. Answers with its id, or null where nobody made one.
 */
export async function makeLibrary(wanted, called = "") {
  const purpose = await purposeChoice(wanted);
  const { name, id } = nameAndId();
  name.value = called;
  name.dispatchEvent(new Event("input"));
  const made = await open({
    title: t("makeTitle"),
    body: [field(t("nameOf"), name), purpose.node, field(t("idOf"), id, t("idNote"))],
    confirm: t("make"),
    focus: name,
    failed: failureBox,
    work: () =>
      api.createLibrary(id.value, {
        displayName: name.value.trim() === id.value ? "" : name.value.trim(),
        purpose: purpose.value,
      }),
  });
  if (!made) return null;
  keepLibrary(id.value);
  return id.value;
}
