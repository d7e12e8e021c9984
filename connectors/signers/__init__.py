"""Signers behind one seam, chosen by URI: files now, agents and tokens beside them."""
