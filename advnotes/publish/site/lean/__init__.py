"""The bound site in fewer bytes, for readers with a slow line or a full disk: nothing looks or works differently."""
