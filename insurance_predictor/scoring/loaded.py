"""What scores by a version, loaded with this module by the process that others are copies of.

They have it in memory together: what looked through it for garbage would write to it.
"""

import gc

from insurance_predictor.scoring.workers import load

gc.disable()
load()
