// A question with buttons; the first press in any page is the answer.
({ element, about, make, tell }) => {
  const problem = make("span", { role: "status" });
  const buttons = about.buttons.map((text, place) => {
    const button = make("button", { type: "button" }, text);
    button.onclick = async () => {
      for (const one of buttons) one.disabled = true;
      try {
        await tell(place);
        // the kernel says it too, but a page that was loaded anew does not know any more where that belongs
        element.replaceChildren(make("p", {}, `${about.question} ${text}`));
      } catch (error) {
        problem.textContent = error.message;
        for (const one of buttons) one.disabled = false;
      }
    };
    return button;
  });
  return [make("div", { role: "group", "aria-label": about.question }, make("p", {}, about.question), ...buttons, problem)];
}
