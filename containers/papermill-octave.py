#!/opt/venv/bin/python
"""papermill for the Octave image: it has no translator of parameters for Octave, whose syntax is MATLAB's."""

from papermill.__main__ import papermill
from papermill.translators import MatlabTranslator, papermill_translators

papermill_translators.register("octave", MatlabTranslator)
papermill(prog_name="papermill")
