"""Readers of the data sets, and the miniature world."""

VIDEO_LAYOUTS = ("avsbench", "vggss")  # of `extract-video`; here, as the command line asks for them
