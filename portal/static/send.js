// Sends the page's one form at once: the way from the portal into a session.
document.querySelector("form[data-send]")?.submit();
