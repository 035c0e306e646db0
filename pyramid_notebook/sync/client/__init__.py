"""What an editor calls: the commands of ``pyramid-notebook`` that push files with ``# %%`` cells into live notebooks.

It runs at each save, so that nothing is imported that a command does not need: the standard library, and of this
package what is pure, ``files``, ``credentials`` and the rules of ``site_client``.
"""
