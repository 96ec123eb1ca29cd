"""Emulator of API Gateway and Lambda for any Chalice app.

Independent of Tickless. It does what AWS documents; where AWS documents nothing, a comment
marked [?] states the choice made here.
"""
