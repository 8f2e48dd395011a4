// The sentences of the GAN in the plane: where the game stands, and what has been changed.

(() => {
  const plane = window.AdvnotesPlane;
  const [ALIKE, APART] = [0.05, 0.3]; // between D's mean answers to real and to generated points

  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const covered = (data, count) => `${count} of ${data.centres.length} ${data.part}`;

  /** The round, what is covered, and what D says. */
  function standing({ game, generated, real, seed }) {
    const { data, rounds } = game;
    const when = rounds ? `Round ${rounds.toLocaleString("en")}` : `Seed ${seed}, before the first round`;
    if (data.centres.length === 0) return "The plane is empty. Put dots into it, then press Play.";
    const found = plane.coverage(data, generated);
    const [high, low] = [mean(game.believe(real)), mean(game.believe(generated))];
    const apart = Math.abs(high - low);
    const verdict =
      apart < ALIKE ? " It hardly tells them apart." : apart > APART ? " It tells most of them apart." : "";
    return (
      `${when}: ${covered(data, found.covered)} covered; ${Math.round(100 * found.share)}% of the generated points ` +
      `lie on the data. D says ${high.toFixed(2)} of real points and ${low.toFixed(2)} of generated ones, ` +
      `where 1 means real.${verdict}`
    );
  }

  /** What a slider or a choice means from now on. */
  function changed(text, value, rounds) {
    return `${text}: ${value}, ${rounds ? `from round ${(rounds + 1).toLocaleString("en")} on` : "from the start"}.`;
  }

  Object.assign(plane, { standing, changed });
})();
