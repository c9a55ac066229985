// Changes that are not saved are not left without a question.

import { useLeaveGuard } from "../router.js";
import { confirm } from "./dialog.js";

/** While something is unsaved, whoever leaves the page is asked first, once for all that is. */
export function useUnsaved(isUnsaved) {
  useLeaveGuard(isUnsaved ? ask : null);
}

function ask() {
  return confirm("Leave without saving?", { action: "Leave", detail: "What you changed here is lost." });
}
